// A small applet with the ABI of all applets, whose commands let tests see what an element does.
// Command: one byte that says what to do, then its data. Response: data, then 9000.
import {
  clockSeconds,
  counterIncrement,
  flashProgram,
  flashRead,
  randomBytes,
  slotGenerate,
  slotKind,
} from "../../firmware/platform/imports";

const IO_SIZE: i32 = 256;
const io: usize = memory.data(256, 8);
const kept: usize = memory.data(4, 4);
const word: usize = memory.data(4, 4);
let commands: i32 = 0;
let total: i64 = 0;

export function buffer(): usize {
  return io;
}

export function bufferSize(): i32 {
  return IO_SIZE;
}

/** A word at the start of flash decides whether the applet starts. */
export function boot(): i32 {
  if (flashRead(0, word, 4) != 0) return -161;
  return load<u32>(word) == 0 ? -161 : 0;
}

function respond(value: u32): i32 {
  store<u32>(io, value);
  store<u16>(io + 4, 0x0090);
  return 6;
}

export function command(length: i32): i32 {
  commands++;
  total += (<i64>length) << 32;
  const what = load<u8>(io);
  if (what == 1) return respond(commands);
  if (what == 2) return respond(<u32>(total >> 32));
  if (what == 3) {
    store<u32>(kept, load<u32>(kept) + load<u8>(io + 1));
    return respond(load<u32>(kept));
  }
  if (what == 4) return respond(flashProgram(load<u8>(io + 1) * 4, io + 4, 4));
  if (what == 5) {
    if (flashRead(load<u8>(io + 1) * 4, word, 4) != 0) return respond(0);
    return respond(load<u32>(word));
  }
  if (what == 6) return respond(clockSeconds());
  if (what == 7) return respond(slotGenerate(load<u8>(io + 1), load<u8>(io + 2)));
  if (what == 8) return respond(slotKind(load<u8>(io + 1)));
  if (what == 9) return respond(counterIncrement());
  if (what == 10) {
    randomBytes(word, 4);
    return respond(load<u32>(word));
  }
  assert(what != 11);
  if (what == 12) return IO_SIZE + 1;
  return load<u8>(usize.MAX_VALUE);
}
