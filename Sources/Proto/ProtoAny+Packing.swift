extension ProtoAny {
  /// The message in an Any, under the usual `type.googleapis.com/` URL.
  ///
  /// - Throws: `containsNUL` or `tooLarge`.
  package init<Message: ProtoMessage>(packing message: Message) throws(ProtoError) {
    self.init(typeURL: "type.googleapis.com/" + Message.fullName, value: try message.encoded())
  }

  /// The full name of the message inside: what follows the last slash of the URL.
  package var messageName: Substring {
    typeURL[(typeURL.lastIndex(of: "/").map(typeURL.index(after:)) ?? typeURL.startIndex)...]
  }

  /// The message inside.
  ///
  /// - Throws: `otherType` when it is another one, else what decoding throws.
  package func unpacked<Message: ProtoMessage>(as type: Message.Type = Message.self) throws(ProtoError) -> Message {
    guard messageName == Message.fullName else { throw .otherType(url: typeURL) }
    return try Message(decoding: value)
  }
}
