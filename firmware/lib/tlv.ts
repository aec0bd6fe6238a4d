/** BER-TLV answers of GET DATA, written into IO. Lengths are written in two bytes (82) for templates, in one for values. */

import { IO, store16, store32, store64 } from "./io";

/** Where the next byte goes, from the start of IO. */
let at: u32 = 0;

export function tlvBegin(): void {
  at = 0;
}

/** Bytes written. */
export function tlvLength(): u32 {
  return at;
}

function tagOf(tag: u32): void {
  if (tag > 0xff) {
    store16(IO + at, tag);
    at += 2;
  } else {
    store<u8>(IO + at, <u8>tag);
    at += 1;
  }
}

/** Opens a template; the result closes it. */
export function tlvOpen(tag: u32): u32 {
  tagOf(tag);
  store<u8>(IO + at, 0x82);
  at += 3;
  return at;
}

export function tlvClose(start: u32): void {
  store16(IO + start - 2, at - start);
}

export function tlvBytes(tag: u32, bytes: usize, length: u32): void {
  assert(length < 128);
  tagOf(tag);
  store<u8>(IO + at, <u8>length);
  memory.copy(IO + at + 1, bytes, length);
  at += 1 + length;
}

/** The value of the template that is open, raw. */
export function tlvRaw(bytes: usize, length: u32): void {
  memory.copy(IO + at, bytes, length);
  at += length;
}

export function tlv8(tag: u32, value: u32): void {
  tagOf(tag);
  store<u8>(IO + at, 1);
  store<u8>(IO + at, <u8>value, 1);
  at += 2;
}

export function tlv16(tag: u32, value: u32): void {
  tagOf(tag);
  store<u8>(IO + at, 2);
  store16(IO + at + 1, value);
  at += 3;
}

export function tlv32(tag: u32, value: u32): void {
  tagOf(tag);
  store<u8>(IO + at, 4);
  store32(IO + at + 1, value);
  at += 5;
}

export function tlv64(tag: u32, value: u64): void {
  tagOf(tag);
  store<u8>(IO + at, 8);
  store64(IO + at + 1, value);
  at += 9;
}

/** Two numbers in one value. */
export function tlv32Pair(tag: u32, first: u32, second: u32): void {
  tagOf(tag);
  store<u8>(IO + at, 8);
  store32(IO + at + 1, first);
  store32(IO + at + 5, second);
  at += 9;
}
