import CCurl

#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// One request to a bucket. Owns libcurl's handle; used by one thread.
final class Transfer {
  private static let connectSeconds = 10
  /// A service that takes less than this many bytes a second for so many seconds has stalled.
  private static let slowest = 1024
  private static let stallSeconds = 30
  /// Of an answer's body, which names the error.
  private static let mostAnswer = 4 << 10
  private static let emptyDigest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  /// Once for the process; libcurl's own state.
  private static let isSetUp = curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

  private let curl: UnsafeMutableRawPointer
  private let reason = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))
  private let cancellation: BucketCancellation
  private var headers: UnsafeMutablePointer<curl_slist>?
  private var file: Int32 = -1
  private var fileError: Int32 = 0
  private var answer: [UInt8] = []

  /// - Throws: `unusable`
  init(
    to url: String, _ credentials: BucketCredentials, _ cancellation: BucketCancellation
  ) throws(BucketError) {
    guard Self.isSetUp, let curl = curl_easy_init() else { throw .unusable(reason: "it cannot be started") }
    self.curl = curl
    self.cancellation = cancellation
    reason.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
    try check(ccurl_set_pointer(curl, CURLOPT_ERRORBUFFER, reason))
    try check(ccurl_set_text(curl, CURLOPT_URL, url))
    try check(ccurl_set_text(curl, CURLOPT_PROTOCOLS_STR, "http,https"))
    try check(ccurl_set_text(curl, CURLOPT_AWS_SIGV4, "aws:amz:\(credentials.region):s3"))
    try check(ccurl_set_text(curl, CURLOPT_USERNAME, credentials.keyID))
    try check(ccurl_set_text(curl, CURLOPT_PASSWORD, credentials.secret))
    try check(ccurl_set_number(curl, CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_1_1)))
    // No signals: there are other threads.
    try check(ccurl_set_number(curl, CURLOPT_NOSIGNAL, 1))
    try check(ccurl_set_number(curl, CURLOPT_CONNECTTIMEOUT, Self.connectSeconds))
    try check(ccurl_set_number(curl, CURLOPT_LOW_SPEED_LIMIT, Self.slowest))
    try check(ccurl_set_number(curl, CURLOPT_LOW_SPEED_TIME, Self.stallSeconds))
    let context = Unmanaged.passUnretained(self).toOpaque()
    try check(ccurl_set_callbacks(curl, Self.read, Self.seek, Self.write, Self.progress, context))
  }

  deinit {
    curl_easy_cleanup(curl)
    curl_slist_free_all(headers)
    reason.deallocate()
    if file >= 0 { close(file) }
  }

  /// Makes it a PUT of the file.
  /// - Throws: `file`, `unusable`
  func send(_ upload: BucketUpload) throws(BucketError) {
    file = open(upload.path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { throw .file(reason: String(cString: strerror(errno))) }
    try check(ccurl_set_number(curl, CURLOPT_UPLOAD, 1))
    try check(ccurl_set_size(curl, CURLOPT_INFILESIZE_LARGE, curl_off_t(upload.size)))
    try set([
      "x-amz-content-sha256: \(PresignedLink.hex(upload.digest))", "Content-Type: \(upload.contentType)",
      "Content-Disposition: attachment", "Cache-Control: private",
    ])
  }

  /// Makes it a DELETE.
  /// - Throws: `unusable`
  func delete() throws(BucketError) {
    try check(ccurl_set_text(curl, CURLOPT_CUSTOMREQUEST, "DELETE"))
    try set(["x-amz-content-sha256: \(Self.emptyDigest)"])
  }

  /// Waits for the answer.
  func perform() throws(BucketError) {
    let code = withExtendedLifetime(self) { curl_easy_perform(curl) }
    if cancellation.isCancelled { throw .cancelled }
    if fileError != 0 { throw .file(reason: String(cString: strerror(fileError))) }
    let status = Int(ccurl_status(curl))
    // A service may refuse before it has read everything, which ends the sending with an error.
    if status >= 300 { throw .refused(status: status, code: errorCode) }
    guard code == CURLE_OK else {
      let text = String(cString: reason)
      throw .unreachable(reason: text.isEmpty ? String(cString: curl_easy_strerror(code)) : text)
    }
  }

  /// What stands between `<Code>` and `</Code>` of the answer, when it is a word.
  private var errorCode: String {
    let text = String(decoding: answer, as: UTF8.self)
    guard let begin = text.firstRange(of: "<Code>"), let end = text[begin.upperBound...].firstRange(of: "</Code>")
    else { return "" }
    let code = text[begin.upperBound..<end.lowerBound]
    return code.utf8.count <= 64 && code.utf8.allSatisfy(AddressEncoding.isPlain) ? String(code) : ""
  }

  private func set(_ lines: [String]) throws(BucketError) {
    for line in lines {
      guard let longer = curl_slist_append(headers, line) else { throw .unusable(reason: "no memory") }
      headers = longer
    }
    try check(ccurl_set_headers(curl, headers))
  }

  private func check(_ code: CURLcode) throws(BucketError) {
    guard code == CURLE_OK else { throw .unusable(reason: String(cString: curl_easy_strerror(code))) }
  }

  // MARK: libcurl's callbacks

  private static func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
  }

  private static let read: curl_read_callback = { buffer, size, count, context in
    guard let transfer = transfer(context), !transfer.cancellation.isCancelled else { return Int(CURL_READFUNC_ABORT) }
    while true {
      let length = Glibc.read(transfer.file, buffer, size * count)
      if length >= 0 { return length }
      if errno == EINTR { continue }
      transfer.fileError = errno
      return Int(CURL_READFUNC_ABORT)
    }
  }

  /// libcurl begins again, on another connection say.
  private static let seek: curl_seek_callback = { context, offset, origin in
    guard let transfer = transfer(context), lseek(transfer.file, off_t(offset), origin) == off_t(offset) else {
      return CURL_SEEKFUNC_FAIL
    }
    return CURL_SEEKFUNC_OK
  }

  private static let write: curl_write_callback = { bytes, size, count, context in
    guard let transfer = transfer(context), let bytes else { return 0 }
    let room = mostAnswer - transfer.answer.count
    transfer.answer.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: min(room, size * count)))
    return size * count
  }

  private static let progress: curl_xferinfo_callback = { context, _, _, _, _ in
    transfer(context)?.cancellation.isCancelled == false ? 0 : 1
  }
}
