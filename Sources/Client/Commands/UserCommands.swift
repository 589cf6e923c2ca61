import ArgumentParser
import Proto

struct UserCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "user", abstract: "Create users, look at them and change their segments.",
    subcommands: [Create.self, Get.self, List.self, Segments.self, Check.self, Update.self, Delete.self])

  struct Create: ClientCommand {
    static let configuration = CommandConfiguration(abstract: "Make users known.")

    @Argument(help: "Positive numbers; - reads them from standard input, one a line.")
    var ids: [String]
    @Flag(help: "A user that exists is no error.")
    var allowExisting = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws { try UserIDs.check(ids) }

    func run(on connection: Connection) async throws -> ExitStatus {
      var ids = try UserIDs(ids, on: connection.loop)
      try await output.format.print(UserCreatedRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        while let id = try await ids.next() {
          let request = CreateUserRequest(
            userID: id, allowExisting: allowExisting, requestID: change.requestID, validateOnly: change.validateOnly)
          let response = try await connection.unary(UserService.Methods.createUser, request)
          try await printer.print([UserCreatedRecord(response, userID: id)])
        }
      }
      return .success
    }
  }

  struct Get: ClientCommand {
    static let configuration = CommandConfiguration(abstract: "Show users.")

    @Argument(help: "Positive numbers; - reads them from standard input, one a line.")
    var ids: [String]
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws { try UserIDs.check(ids) }

    func run(on connection: Connection) async throws -> ExitStatus {
      var ids = try UserIDs(ids, on: connection.loop)
      try await output.format.print(UserRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        while let id = try await ids.next() {
          let response = try await connection.unary(UserService.Methods.getUser, GetUserRequest(userID: id))
          try await printer.print([UserRecord(response.user ?? User(id: id))])
        }
      }
      return .success
    }
  }

  struct List: ClientCommand {
    static let configuration = CommandConfiguration(abstract: "List users, ordered by id.")

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
    static let configuration = CommandConfiguration(abstract: "List the segments of users.")
    /// The most that one call answers.
    private static let batch = 1000

    @Argument(help: "Positive numbers; - reads them from standard input, one a line.")
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
      abstract: "Tell whether a user is in a segment.",
      discussion: "Exits with 0 when it is, and with 1 when it is not.")

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
      discussion: "segctl user update 42 --assign BETA --assign SALE=7d --remove TRIAL")

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
    @Option(help: "What to do when a segment to assign is there already.")
    var ifPresent = IfPresent.fail
    @Option(help: "What to do when a segment to remove is not there.")
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

  struct Delete: ClientCommand {
    static let configuration = CommandConfiguration(
      abstract: "Delete users and deprive them of their segments; their audit history stays.")

    @Argument(help: "Positive numbers; - reads them from standard input, one a line.")
    var ids: [String]
    @Flag(help: "A user that does not exist is no error.")
    var allowMissing = false
    @OptionGroup var change: ChangeOptions
    @OptionGroup var output: OutputOptions
    @OptionGroup var connectionOptions: ConnectionOptions

    func validate() throws { try UserIDs.check(ids) }

    func run(on connection: Connection) async throws -> ExitStatus {
      var ids = try UserIDs(ids, on: connection.loop)
      try await output.format.print(UserDeletedRecord.self, to: .standardOutput(on: connection.loop)) { printer in
        while let id = try await ids.next() {
          let request = DeleteUserRequest(
            userID: id, allowMissing: allowMissing, requestID: change.requestID, validateOnly: change.validateOnly)
          let response = try await connection.unary(UserService.Methods.deleteUser, request)
          try await printer.print([UserDeletedRecord(response, userID: id)])
        }
      }
      return .success
    }
  }
}
