import ArgumentParser
import Contract
import Proto

extension AuditCommand {
  struct Consumers: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "List the named readers of the audit log and how far each is behind, or forget one.",
      discussion: "A reader has a name when it streams with segctl audit stream --consumer NAME.",
      subcommands: [List.self, Delete.self], defaultSubcommand: List.self)

    struct List: ClientCommand {
      static let configuration = CommandConfiguration(
        abstract: "List them, ordered by name.", discussion: "segctl audit consumers list -o json")

      @OptionGroup var output: OutputOptions
      @OptionGroup var connectionOptions: ConnectionOptions

      func run(on connection: Connection) async throws -> ExitStatus {
        try await output.format.print(ConsumerRecord.self, to: .standardOutput(on: connection.loop)) { printer in
          var request = ListAuditConsumersRequest()
          repeat {
            let page = try await connection.unary(AuditService.Methods.listAuditConsumers, request)
            try await printer.print(page.consumers.map { ConsumerRecord($0) })
            request.pageToken = page.nextPageToken
          } while !request.pageToken.isEmpty
        }
        return .success
      }
    }

    struct Delete: ClientCommand {
      static let configuration = CommandConfiguration(
        abstract: "Forget one, and what it has acknowledged: under its name the log begins anew.",
        discussion: "segctl audit consumers delete warehouse")

      @Argument(help: "The name that it reads under, as segctl audit consumers lists it.")
      var name: String
      @Flag(help: "One that is not known is no error.")
      var allowMissing = false
      @OptionGroup var connectionOptions: ConnectionOptions

      func run(on connection: Connection) async throws -> ExitStatus {
        let request = DeleteAuditConsumerRequest(consumer: name, allowMissing: allowMissing)
        _ = try await connection.unary(AuditService.Methods.deleteAuditConsumer, request)
        return .success
      }
    }
  }
}

/// A named consumer as it is printed.
struct ConsumerRecord: Record {
  static let columns: [Column] = [
    "name", .number("lag_records"), .number("lag_seconds"), .number("open_streams"), "update_time", "token",
  ]

  let name: String
  let lagRecords: Int64
  let lagSeconds: Double
  let openStreams: Int32
  let updateTime: String?
  let token: String?

  init(_ consumer: AuditConsumer) {
    name = consumer.name
    lagRecords = consumer.lagRecords
    // A millisecond is enough of a lag.
    lagSeconds = Double(((try? consumer.lagTime?.microseconds()) ?? 0) / 1000) / 1000
    openStreams = consumer.openStreams
    updateTime = consumer.updateTime.map(StampFormatter.string)
    token = consumer.token.isEmpty ? nil : consumer.token
  }

  var cells: [String] {
    [name, "\(lagRecords)", "\(lagSeconds)", "\(openStreams)", updateTime ?? "", token ?? ""]
  }
}
