/// Receives what happens on a whole connection, on its loop.
package protocol SessionObserver: AnyObject {
  /// The peer's SETTINGS have come: it speaks HTTP/2.
  func sessionReceivedSettings(_ session: Session)
  /// The peer takes no more streams on this connection (GOAWAY); those that it did not process are closed with REFUSED_STREAM.
  func sessionReceivedGoAway(_ session: Session)
}
