import Testing

/// `#expect(value == expected)` for a value that had to be awaited: the macro does not take every `try await`.
func expectEqual<Value: Equatable>(
  _ value: Value, _ expected: Value, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(value == expected, sourceLocation: sourceLocation)
}
