import Postgres
import Testing

@Suite("Parameters and results")
struct ParameterTests {
  /// Sends one parameter and gives back what the server makes of it as text, and the answer itself.
  private func echo(_ parameter: Parameter, _ expression: String = "$1") async throws -> (text: String?, PostgresResult)
  {
    try await withPool { pool in
      let result = try await pool.query(Statement("echo", "SELECT (\(expression))::text, \(expression)"), [parameter])
      return (try result.optionalText(0, 0), result)
    }
  }

  @Test("integers go both ways, the extremes too", arguments: [0, 1, -1, .max, .min] as [Int64])
  func integers(_ value: Int64) async throws {
    let (text, result) = try await echo(.int64(value))
    #expect(text == String(value))
    #expect(try result.int64(0, 1) == value)
    let small = Int32(truncatingIfNeeded: value)
    let (smallText, smallResult) = try await echo(.int32(small))
    #expect(smallText == String(small))
    #expect(try smallResult.int32(0, 1) == small)
    #expect(try smallResult.int64(0, 1) == Int64(small))
  }

  @Test("floating point goes both ways", arguments: [0, -0.5, .pi, .infinity, -.infinity, .leastNonzeroMagnitude])
  func doubles(_ value: Double) async throws {
    #expect(try await echo(.double(value)).1.double(0, 1) == value)
  }

  @Test("not a number stays that")
  func notANumber() async throws {
    #expect(try await echo(.double(.nan)).1.double(0, 1).isNaN)
  }

  @Test("text goes both ways", arguments: ["", "a", "Grüße 👋🏽 'quoted' \\ \n", String(repeating: "ü", count: 100_000)])
  func texts(_ value: String) async throws {
    let (text, result) = try await echo(.text(value))
    #expect(text == value)
    #expect(try result.text(0, 1) == value)
  }

  @Test("the server refuses U+0000, and the error does not tell the text")
  func refusesZero() async throws {
    let error = await #expect(throws: PostgresError.self) { _ = try await echo(.text("sec\0ret")) }
    #expect(error?.sqlState == .characterNotInRepertoire)
    #expect(error?.description.contains("sec") == false)
  }

  @Test("bytes go both ways, all 256 of them")
  func bytes() async throws {
    let all = (0...255).map { UInt8($0) }
    #expect(try await echo(.bytes(all)).1.bytes(0, 1) == all)
    #expect(try await echo(.bytes([])).1.bytes(0, 1) == [])
  }

  @Test("booleans and NULL go both ways")
  func booleansAndNull() async throws {
    #expect(try await echo(.bool(true)).1.bool(0, 1))
    #expect(try await !echo(.bool(false)).1.bool(0, 1))
    let (text, result) = try await echo(.null, "$1::int8")
    #expect(text == nil)
    #expect(try result.isNull(0, 1))
    #expect(try result.optionalInt64(0, 1) == nil)
  }

  @Test(
    "instants go both ways",
    arguments: [
      (0, "1970-01-01 00:00:00+00"), (-1, "1969-12-31 23:59:59.999999+00"),
      (946_684_800_000_000, "2000-01-01 00:00:00+00"), (1_700_000_000_123_456, "2023-11-14 22:13:20.123456+00"),
      (.max, "infinity"), (.min, "-infinity"), (-210_866_803_200_000_000, "4714-11-24 00:00:00+00 BC"),
    ] as [(Int64, String)])
  func timestamps(_ microseconds: Int64, _ expected: String) async throws {
    let (text, result) = try await echo(.timestamp(Timestamp(microseconds: microseconds)))
    #expect(text == expected)
    #expect(try result.timestamp(0, 1).microseconds == microseconds)
  }

  @Test("an instant beyond what the server or we can hold is an error")
  func refusesDistantInstants() async throws {
    let error = await #expect(throws: PostgresError.self) {
      _ = try await echo(.timestamp(Timestamp(microseconds: .min + 1)))
    }
    #expect(error?.kind == .server)
    let result = try await withPool { pool in
      try await pool.query(Statement("far", "SELECT '294276-12-31 23:59:59Z'::timestamptz"))
    }
    #expect(#expect(throws: PostgresError.self) { try result.timestamp(0, 0) }?.kind == .decoding)
  }

  @Test("arrays go both ways, empty ones and NULLs in them too")
  func arrays() async throws {
    #expect(try await echo(.int64Array([.min, 0, .max])).1.int64Array(0, 1) == [.min, 0, .max])
    #expect(try await echo(.int64Array([])).1.int64Array(0, 1) == [])
    #expect(try await echo(.optionalInt64Array([1, nil, 3])).text == "{1,NULL,3}")
    #expect(try await echo(.optionalInt64Array([])).text == "{}")
    #expect(try await echo(.int32Array([.min, .max])).text == "{-2147483648,2147483647}")
    #expect(try await echo(.boolArray([true, false])).text == "{t,f}")
    #expect(try await echo(.textArray(["", "a,b", "NULL", "ü"])).1.textArray(0, 1) == ["", "a,b", "NULL", "ü"])
    #expect(try await echo(.optionalTextArray(["a", nil])).text == "{a,NULL}")
    #expect(
      try await echo(.optionalTimestampArray([nil, Timestamp(microseconds: 0), .distantFuture])).text
        == "{NULL,\"1970-01-01 00:00:00+00\",infinity}")
  }

  @Test("100,000 elements go through in one array")
  func largeArrays() async throws {
    let values = (0..<100_000).map { Int64($0) &* 0x1E37_79B9_7F4A_7C15 }
    #expect(try await echo(.int64Array(values)).1.int64Array(0, 1) == values)
  }

  @Test("reading a cell as what it is not throws and names the column")
  func refusesWrongTypes() async throws {
    let result = try await withPool { pool in
      try await pool.query(
        Statement("cells", "SELECT 'x' AS word, NULL::int8 AS nothing, 5000000000 AS large, 1.5 AS exact"))
    }
    func reason(_ body: () throws -> Void) -> String {
      do { try body() } catch let error as PostgresError where error.kind == .decoding { return error.message } catch {}
      return "no decoding error"
    }
    #expect(reason { _ = try result.int64(0, 0) } == "column word of row 0 is no integer")
    #expect(reason { _ = try result.int64(0, 1) } == "column nothing of row 0 is NULL")
    #expect(reason { _ = try result.int32(0, 2) } == "column large of row 0 does not fit 32 bits")
    #expect(reason { _ = try result.double(0, 3) } == "column exact of row 0 is not a number")
    #expect(reason { _ = try result.text(0, 2) } == "column large of row 0 is no text")
    #expect(reason { _ = try result.text(1, 0) } == "column word of row 1 is not there")
    #expect(reason { _ = try result.text(0, 9) } == "column 9 of row 0 is not there")
    #expect(reason { _ = try result.timestamp(0, 2) } == "column large of row 0 is no timestamptz")
    #expect(reason { _ = try result.bool(-1, 2) } == "column large of row -1 is not there")
  }

  @Test("a statement first sent with NULL takes a value later")
  func refinesTypes() async throws {
    try await withPool(connections: 1) { pool in
      let statement = Statement("either", "SELECT coalesce($1, 7) + coalesce($2, 1)")
      #expect(try await pool.query(statement, [.null, .null]).int64(0, 0) == 8)
      #expect(try await pool.query(statement, [.int64(5_000_000_000), .null]).int64(0, 0) == 5_000_000_001)
      #expect(try await pool.query(statement, [.null, .int64(1)]).int64(0, 0) == 8)
      #expect(try await pool.query(statement, [.int64(2), .int64(2)]).int64(0, 0) == 4)
      try await expectServing(pool)
    }
  }

  @Test("65,535 parameters are the most a statement takes, and one more breaks nothing")
  func limitsParameters() async throws {
    try await withPool(connections: 1) { pool in
      let error = await #expect(throws: PostgresError.self) {
        _ = try await pool.query(Statement("many", "SELECT 1"), Array(repeating: .int64(1), count: 65_536))
      }
      #expect(error?.kind == .misuse)
      try await expectServing(pool)
    }
  }
}
