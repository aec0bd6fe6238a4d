/** The applet's entry: the host writes a command APDU to the buffer and reads the response from it. */

import { IO_BYTES } from "../protocol/limits";

const IO: usize = memory.data(7609, 8);

export function buffer(): usize {
  return IO;
}

export function bufferSize(): i32 {
  return IO_BYTES;
}

export function boot(): i32 {
  return 0;
}

/** No instruction is known yet: status word 6D00. */
export function command(length: i32): i32 {
  assert(length >= 0 && length <= IO_BYTES);
  store<u16>(IO, 0x006d);
  return 2;
}
