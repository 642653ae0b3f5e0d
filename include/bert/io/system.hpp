// The files of the operating system: the one place that calls POSIX or Windows for them.
// Layer: io. Test: tests/unit/io/system_test.cpp
#ifndef BERT_IO_SYSTEM_HPP
#define BERT_IO_SYSTEM_HPP

// namespace bert::io::system, the same functions for both (system_posix.hpp, system_windows.hpp):
//
//   handle                        an open file; `none` is no file
//   open_to_read                  any path, also a pipe
//   open_without_waiting          for reading; does not wait for the writer of a pipe
//   open_to_replace               for writing; made if missing, never through a link
//   create_temporary              a new file, whose path it also returns
//   create_scratch                a new file that disappears with its handle
//   close, read, write, seek, truncate, flush, map, unmap
//   give_back                     memory of a map, which is read from the file again when it is touched; does nothing on
//   Windows lock                          of a file open for writing; fails with EWOULDBLOCK if another process or handle has
//   it lock_folder                   the same for a folder; the lock ends with `close` status_of, link_status_of     of a path
//   or a handle; link_status_of does not follow a link is_writable                   whether files can be made in a folder
//   rename                        replaces the file of the new name at once
//   exchange                      of two names; fails with ENOSYS, EINVAL or EOPNOTSUPP where the system cannot
//   remove, make_folder, remove_folder, flush_folder
//
// A failure is `none`, false, -1 or a null pointer, with errno set; `io::reason` is its text.

#if defined(_WIN32)
#include "bert/io/system_windows.hpp"
#else
#include "bert/io/system_posix.hpp"
#endif

#endif  // BERT_IO_SYSTEM_HPP
