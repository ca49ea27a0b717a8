// Package docstore is a document store that speaks MongoDB's wire protocol inside the process: for local mode and for
// tests. It owns opening, serving and closing; the rooms below it own the rest. Programs reach it only through the
// official driver, over TCP or through memory, and cannot tell it from a MongoDB replica set of one, but for what it
// refuses with an explicit error.
//
// It is not for production, where a real MongoDB belongs.
//
// # When the disk fails
//
// A write is answered, and shown to readers with majority guarantees, only when it is synced. While the disk is full, or
// its file system read-only, reads go on and writes are refused with code 14031 (OutOfDiskSpace), whose text says what to
// do; once there is space the store goes on by itself. A write that was under way then may be answered with 14031 too:
// whether it will be there shows when the disk is well, and repeating it under its number is safe. When a sync fails the
// store stops for good (see [Store.Err]) and answers code 39 (FileStreamFailed): what the disk holds is then unknown, and only a new start,
// which reads it again, can tell. Damaged files are found by their checksums: what was in them is answered with code 301
// (DataCorruptionDetected), which names the file, never with data. The very end of the log is the exception that no
// store escapes: there damage cannot be told from a write that a power cut interrupted.
package docstore
