import Contract
import GRPC
import Proto
import Segmentation

/// `segmentation.v1.UserService` on one loop.
struct UserHandlers: Sendable {
  let users: UserStore

  func register(on router: Router) {
    router.unary(UserService.Methods.createUser.descriptor) { try await createUser($0, $1) }
    router.unary(UserService.Methods.getUser.descriptor) { try await getUser($0, $1) }
    router.unary(UserService.Methods.deleteUser.descriptor) { try await deleteUser($0, $1) }
    router.serverStreaming(UserService.Methods.listUsers.descriptor) { try await listUsers($0, $1, $2) }
  }

  private func listUsers(
    _ request: ListUsersRequest, _ responses: ResponseWriter<ListUsersResponse>, _ call: ServerCall
  ) async throws {
    let stream = try KeysetStream(
      startAfter: request.startAfterUserID, limit: request.limit, maxBatchSize: request.maxBatchSize)
    let caller = call.caller
    try await stream.send(reading: { [users] in try await users.list(after: $0, limit: $1, by: caller) }) {
      $0.id.number
    } writing: { users, _ in
      try await responses.write(ListUsersResponse(users: users.map { Proto.User($0) }))
    }
  }

  private func createUser(_ request: CreateUserRequest, _ call: ServerCall) async throws -> CreateUserResponse {
    let creation = try await users.create(
      UserID(request.userID), allowExisting: request.allowExisting, validateOnly: request.validateOnly,
      by: call.caller(requestID: request.requestID))
    return CreateUserResponse(
      user: Proto.User(creation.user), created: creation.isNew, segments: creation.segments.map(\.text),
      auditToken: creation.token?.text ?? "")
  }

  private func deleteUser(_ request: DeleteUserRequest, _ call: ServerCall) async throws -> DeleteUserResponse {
    let deletion = try await users.delete(
      UserID(request.userID), allowMissing: request.allowMissing, validateOnly: request.validateOnly,
      by: call.caller(requestID: request.requestID))
    return DeleteUserResponse(
      user: deletion.user.map { Proto.User($0) }, segments: deletion.segments.map(\.text),
      auditToken: deletion.token?.text ?? "")
  }

  private func getUser(_ request: GetUserRequest, _ call: ServerCall) async throws -> GetUserResponse {
    GetUserResponse(user: Proto.User(try await users.get(UserID(request.userID), by: call.caller)))
  }
}
