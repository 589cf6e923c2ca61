import Proto
import Testing

/// The generated descriptions of services and enums.
@Suite("Methods and enums")
struct MethodTests {
  @Test("a method knows its path, its kind and its messages")
  func method() {
    let method = AuditService.Methods.streamAudit
    #expect(method.path == "/segmentation.v1.AuditService/StreamAudit")
    #expect(method.kind == .serverStream)
    #expect(method.description.request == StreamAuditRequest.fullName)
    #expect(method.description.response == StreamAuditResponse.fullName)
    #expect(MembershipService.Methods.importMemberships.kind == .clientStream)
    #expect(Health.Methods.check.path == "/grpc.health.v1.Health/Check")
  }

  @Test("every method has its own path and messages that exist")
  func allMethods() {
    let methods = ProtoRegistry.methods
    #expect(Set(methods.map(\.path)).count == methods.count)
    for service in [SegmentService.Methods.all, UserService.Methods.all, MembershipService.Methods.all] {
      #expect(methods.contains(service))
    }
    for method in methods {
      #expect(ProtoRegistry.messages[method.request] != nil, "\(method.path)")
      #expect(ProtoRegistry.messages[method.response] != nil, "\(method.path)")
    }
  }

  @Test("each method of the contract has its own request and response, named for it")
  func ownMessages() {
    for method in ProtoRegistry.methods where method.service.hasPrefix("segmentation.v1.") {
      #expect(method.request == "segmentation.v1.\(method.name)Request")
      #expect(method.response == "segmentation.v1.\(method.name)Response")
    }
  }

  @Test("every file comes behind its imports and names what it declares")
  func files() {
    var names: Set<String> = []
    for file in ProtoRegistry.files {
      #expect(names.isSuperset(of: file.imports))
      names.insert(file.name)
      // Field 1 of a FileDescriptorProto is its name.
      #expect(file.descriptor.starts(with: [10, UInt8(file.name.utf8.count)] + Array(file.name.utf8)))
    }
    let symbols = ProtoRegistry.files.flatMap(\.symbols)
    #expect(Set(symbols).count == symbols.count)
    #expect(Set(symbols).isSuperset(of: ProtoRegistry.messages.keys))
    #expect(Set(symbols).isSuperset(of: ProtoRegistry.methods.map { "\($0.service).\($0.name)" }))
  }

  @Test("an enum value has the name of the protos without the shared prefix")
  func enumNames() {
    #expect(AuditAction.assign.name == "ASSIGN")
    #expect(AuditAction(name: "DEPRIVE") == .deprive)
    #expect(AuditAction(name: "deprive") == nil)
    #expect(AuditCause.segmentDeleted.name == "SEGMENT_DELETED")
    #expect(GoogleRPCCode(name: "NOT_FOUND") == .notFound)
    #expect(AuditAction.allCases.map(\.rawValue) == [0, 1, 2, 3])
  }
}
