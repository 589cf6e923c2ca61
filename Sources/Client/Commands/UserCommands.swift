import ArgumentParser
import Proto

struct UserCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Create users, look at them and change their segments.",
    subcommands: [Create.self, Get.self, List.self, Segments.self, Check.self, Update.self, Delete.self])

  struct Create: EachUserCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make users known.",
      discussion: """
        segctl user create 42
        seq 1 1000 | segctl user create - --allow-existing
        """)

    @Argument(help: UserIDs.help)
    var ids: [String]
    @Flag(help: "A user that exists is no error.")
    var allowExisting = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func row(for id: Int64, on connection: Connection) async throws -> UserCreatedRecord {
      let request = CreateUserRequest(
        userID: id, allowExisting: allowExisting, requestID: change.requestID, validateOnly: change.validateOnly)
      return UserCreatedRecord(try await connection.unary(UserService.Methods.createUser, request), userID: id)
    }
  }

  struct Get: EachUserCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show users.",
      discussion: """
        segctl user get 42 43
        """)

    @Argument(help: UserIDs.help)
    var ids: [String]
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func row(for id: Int64, on connection: Connection) async throws -> UserRecord {
      let response = try await connection.unary(UserService.Methods.getUser, GetUserRequest(userID: id))
      return UserRecord(response.user ?? User(id: id))
    }
  }

  struct List: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "List users, ordered by id.", discussion: "segctl user list --after 1000 --limit 100")

    @OptionGroup var range: StreamRange
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let request = ListUsersRequest(startAfterUserID: range.after, limit: range.limit)
      try await output.format.print(UserRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        try await connection.stream(UserService.Methods.listUsers, request) { response in
          try await printer.print(response.users.map { UserRecord($0) })
        }
      }
      return .success
    }
  }

  struct Segments: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the segments of users, now or as they were.",
      discussion: """
        segctl user segments 42
        segctl user segments 42 43 --as-of 2026-05-01 -o json
        """)
    /// The most that one call answers.
    private static let batch = 1000

    @Argument(help: UserIDs.help)
    var ids: [String]
    @OptionGroup var past: PastOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws { try UserIDs.check(ids) }

    func run(on connection: Connection) async throws -> ExitStatus {
      var ids = try UserIDs(ids, on: connection.loop)
      try await output.format.print(MembershipRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        while true {
          let batch = try await ids.next(Self.batch)
          guard !batch.isEmpty else { return }
          for user in try await segments(of: batch, connection) { try await printer.print(Self.records(user)) }
        }
      }
      return .success
    }

    private func segments(of ids: [Int64], _ connection: Connection) async throws -> [UserSegments] {
      guard ids.count == 1 else {
        let request = BatchGetUserSegmentsRequest(userIDs: ids, view: .full, asOf: past.asOf?.timestamp)
        return try await connection.unary(MembershipService.Methods.batchGetUserSegments, request).users
      }
      let request = GetUserSegmentsRequest(userID: ids[0], view: .full, asOf: past.asOf?.timestamp)
      let user = try await connection.unary(MembershipService.Methods.getUserSegments, request)
      return [UserSegments(userID: ids[0], segments: user.segments, memberships: user.memberships)]
    }

    private static func records(_ user: UserSegments) -> [MembershipRecord] {
      user.memberships.map { MembershipRecord($0, userID: user.userID) }
    }
  }

  struct Check: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Tell whether a user is in a segment, or was.",
      discussion: """
        Exits with 0 when it is, and with 1 when it is not.

        segctl user check 42 BETA > /dev/null && echo welcome
        """)

    @Argument(help: "A positive number.")
    var id: Int64
    @Argument(help: "A slug, or id:NUMBER.")
    var segment: SegmentArgument
    @OptionGroup var past: PastOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func run(on connection: Connection) async throws -> ExitStatus {
      let response = try await connection.unary(
        MembershipService.Methods.checkMembership,
        CheckMembershipRequest(userID: id, segment: segment.selector, asOf: past.asOf?.timestamp))
      let record = CheckRecord(response, userID: id, segment: segment)
      try await output.format.print(one: record, to: .standardOutput(on: connection.loop))
      return response.member ? .success : .no
    }
  }

  struct Update: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Assign and remove segments of a user, all of them or none.",
      discussion: """
        segctl user update 42 --assign BETA --assign SALE=7d --remove TRIAL
        segctl user update 42 --assign SALE=2026-12-24 --if-present replace --create-user
        """)

    @Argument(help: "A positive number.")
    var id: Int64
    @Option(
      help: ArgumentHelp(
        "Assign this segment; EXPIRY is an instant or a duration such as 30m, 12h, 7d. Repeatable.",
        valueName: "segment[=expiry]"),
      transform: { try AssignmentArgument($0) })
    var assign: [AssignmentArgument] = []
    @Option(help: ArgumentHelp("Remove this segment. Repeatable.", valueName: "segment"))
    var remove: [SegmentArgument] = []
    @Option(
      help: ArgumentHelp(
        "When the user is in a segment to assign already: fail, keep its expiry, or replace it.", valueName: "policy"))
    var ifPresent = IfPresent.fail
    @Option(help: ArgumentHelp("When the user is not in a segment to remove.", valueName: "policy"))
    var ifMissing = IfMissing.fail
    @Flag(help: "Make the user known if it is not.")
    var createUser = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws {
      guard !assign.isEmpty || !remove.isEmpty else { throw ValidationError("Nothing to --assign or --remove.") }
    }

    func run(on connection: Connection) async throws -> ExitStatus {
      let response = try await connection.unary(
        MembershipService.Methods.updateUserSegments,
        UpdateUserSegmentsRequest(
          userID: id, assign: assign.map(\.assignment), remove: remove.map(\.selector), presentPolicy: ifPresent.policy,
          missingPolicy: ifMissing.policy, createUser: createUser, requestID: change.requestID,
          validateOnly: change.validateOnly))
      let outcomes = response.outcomes.map(OutcomeRecord.init)
      let document = UpdateDocument(
        userId: id, userCreated: response.userCreated, outcomes: outcomes,
        auditToken: response.auditToken.isEmpty ? nil : response.auditToken)
      try await output.format.print(one: document, rows: outcomes, to: .standardOutput(on: connection.loop))
      return .success
    }
  }

  struct Delete: EachUserCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete users and deprive them of their segments; their audit history stays.",
      discussion: """
        segctl user delete 42
        segctl user delete - --allow-missing < ids.txt
        """)

    @Argument(help: UserIDs.help)
    var ids: [String]
    @Flag(help: "A user that does not exist is no error.")
    var allowMissing = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func row(for id: Int64, on connection: Connection) async throws -> UserDeletedRecord {
      let request = DeleteUserRequest(
        userID: id, allowMissing: allowMissing, requestID: change.requestID, validateOnly: change.validateOnly)
      return UserDeletedRecord(try await connection.unary(UserService.Methods.deleteUser, request), userID: id)
    }
  }
}
