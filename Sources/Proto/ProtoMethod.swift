/// Who sends how many messages in a call.
package enum ProtoMethodKind: Hashable, Sendable {
  /// One request, one response.
  case unary
  /// Any number of requests, one response.
  case clientStream
  /// One request, any number of responses.
  case serverStream
  /// Any number of both.
  case bidirectional
}

/// One method of a service, with the types of its messages.
package struct ProtoMethod<Request: ProtoMessage, Response: ProtoMessage>: Hashable, Sendable {
  /// The service's full name and the method's name.
  package let description: ProtoMethodDescription

  /// The path of a call, such as `/segmentation.v1.SegmentService/GetSegment`.
  package var path: String { description.path }

  /// Who sends how many messages.
  package var kind: ProtoMethodKind { description.kind }

  /// Whether calling it twice does what calling it once does, as its `idempotency_level` says.
  package let isIdempotent: Bool

  /// A method of a service by its full name; those of the protos are in each service's `Methods`.
  package init(_ service: String, _ name: String, _ kind: ProtoMethodKind, isIdempotent: Bool = false) {
    description = ProtoMethodDescription(
      service: service, name: name, path: "/\(service)/\(name)", kind: kind, request: Request.fullName,
      response: Response.fullName)
    self.isIdempotent = isIdempotent
  }
}

/// One method of a service, without the types of its messages: to list methods of any type.
package struct ProtoMethodDescription: Hashable, Sendable {
  /// The service's full name, such as `segmentation.v1.SegmentService`.
  package let service: String

  /// The method's name, such as `GetSegment`.
  package let name: String

  /// The path of a call, such as `/segmentation.v1.SegmentService/GetSegment`.
  package let path: String

  /// Who sends how many messages.
  package let kind: ProtoMethodKind

  /// The full name of the request's type.
  package let request: String

  /// The full name of the response's type.
  package let response: String
}
