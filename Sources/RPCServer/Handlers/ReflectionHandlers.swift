import Contract
import GRPC
import Proto

/// `grpc.reflection.v1.ServerReflection` and its forerunner `v1alpha`, which has the same messages: they tell generic clients what
/// the server offers.
struct ReflectionHandlers: Sendable {
  private typealias Request = ReflectionServerReflectionRequest
  private typealias Response = ReflectionServerReflectionResponse

  private static let alpha = ProtoMethod<ReflectionServerReflectionRequest, ReflectionServerReflectionResponse>(
    "grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", .bidirectional)

  private let services: [String]
  private let catalog: ReflectionCatalog

  /// - Parameter services: The full names of the server's other services.
  init(services: Set<String>, catalog: ReflectionCatalog = .shared) {
    let own = [ReflectionServerReflection.fullName, Self.alpha.description.service]
    self.services = services.union(own).sorted()
    self.catalog = catalog
  }

  func register(on router: Router) {
    for method in [ReflectionServerReflection.Methods.serverReflectionInfo, Self.alpha] {
      router.bidirectional(method.descriptor) { requests, responses, _ in
        var sent: Set<String> = []
        for try await request in requests {
          try await responses.write(
            Response(
              validHost: request.host, originalRequest: request, messageResponse: answer(request, &sent)))
        }
      }
    }
  }

  /// - Parameter sent: The files that this caller has.
  private func answer(_ request: Request, _ sent: inout Set<String>) -> Response.MessageResponseChoice {
    switch request.messageRequest {
    case .listServices:
      return .listServicesResponse(
        ReflectionListServiceResponse(service: services.map { ReflectionServiceResponse(name: $0) }))
    case .fileByFilename(let name):
      return files(name, &sent) ?? notFound("file \(name)")
    case .fileContainingSymbol(let symbol):
      return catalog.file(declaring: symbol).flatMap { files($0, &sent) } ?? notFound("symbol \(symbol)")
    case .fileContainingExtension(let wanted):
      // proto3 has no extensions but of the descriptors' own options, and the protos make none.
      return notFound("extension \(wanted.extensionNumber) of \(wanted.containingType)")
    case .allExtensionNumbersOfType(let name):
      guard ReflectionHandlers.isMessage(name) else { return notFound("message \(name)") }
      return .allExtensionNumbersResponse(ReflectionExtensionNumberResponse(baseTypeName: name))
    case nil:
      return .errorResponse(
        ReflectionErrorResponse(errorCode: Int32(StatusCode.invalidArgument.rawValue), errorMessage: "nothing is asked")
      )
    }
  }

  private func files(_ name: String, _ sent: inout Set<String>) -> Response.MessageResponseChoice? {
    catalog.descriptors(of: name, leavingOut: &sent).map {
      .fileDescriptorResponse(ReflectionFileDescriptorResponse(fileDescriptorProto: $0))
    }
  }

  private func notFound(_ what: String) -> Response.MessageResponseChoice {
    .errorResponse(
      ReflectionErrorResponse(errorCode: Int32(StatusCode.notFound.rawValue), errorMessage: "\(what) not found"))
  }

  private static func isMessage(_ name: String) -> Bool {
    ProtoRegistry.messages[name.replacing("grpc.reflection.v1alpha.", with: "grpc.reflection.v1.", maxReplacements: 1)]
      != nil
  }
}
