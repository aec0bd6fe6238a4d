/**
 * Deterministic CBOR (RFC 8949 section 4.2.1), the only encoding that elements sign, store or send.
 *
 * The subset: integers from -2^63 to 2^64-1 in their shortest form, byte strings, UTF-8 text, arrays, maps whose
 * keys are 32-bit integers above -2^31 in strictly ascending bytewise order, false, true, null. Lengths are definite.
 * Tags, floats, undefined and other simple values are refused, so that a value has exactly one encoding.
 *
 * Errors are sticky. After the first one a writer writes nothing more and a reader answers zeros (a pointer then
 * leads to a static area of zeros), so that a caller works straight through and asks `finish()` once.
 */

import { CBOR_DEPTH_MAX } from "../protocol/limits";
import { REASON_MALFORMED, REASON_TOO_LONG } from "../protocol/reasons";
import { utf8Valid } from "./utf8";

export const MAJOR_UINT: i32 = 0;
export const MAJOR_NEGATIVE: i32 = 1;
export const MAJOR_BYTES: i32 = 2;
export const MAJOR_TEXT: i32 = 3;
export const MAJOR_ARRAY: i32 = 4;
export const MAJOR_MAP: i32 = 5;
export const MAJOR_TAG: i32 = 6;
export const MAJOR_SIMPLE: i32 = 7;

/** `previous` for the first key of a map; never a key itself. */
export const KEY_NONE: i32 = i32.MIN_VALUE;

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NIL: u8 = 0xf6;

/** What a failed reader points to; `fixed()` reads no more than this. */
const ZERO_BYTES: u32 = 64;
const ZERO: usize = memory.data(64, 8);


@unmanaged
export class Writer {
  start: usize;
  at: usize;
  end: usize;
  failed: i32;

  begin(buffer: usize, capacity: u32): void {
    this.start = buffer;
    this.at = buffer;
    this.end = buffer + capacity;
    this.failed = 0;
  }

  uint(v: u64): void {
    this.head(MAJOR_UINT, v);
  }

  int(v: i64): void {
    if (v < 0) this.head(MAJOR_NEGATIVE, ~v);
    else this.head(MAJOR_UINT, v);
  }

  bytes(p: usize, n: u32): void {
    this.head(MAJOR_BYTES, n);
    this.raw(p, n);
  }

  text(p: usize, n: u32): void {
    if (!utf8Valid(p, n)) return this.fail(REASON_MALFORMED);
    this.head(MAJOR_TEXT, n);
    this.raw(p, n);
  }

  array(n: u32): void {
    this.head(MAJOR_ARRAY, n);
  }

  /** The caller writes `n` keys, ascending as the file's header says, each followed by its value. */
  map(n: u32): void {
    this.head(MAJOR_MAP, n);
  }

  bool(v: bool): void {
    const p = this.reserve(1);
    if (p != 0) store<u8>(p, v ? TRUE : FALSE);
  }

  nil(): void {
    const p = this.reserve(1);
    if (p != 0) store<u8>(p, NIL);
  }

  /** Bytes that are CBOR already, or the contents after `bytesHeader()`. */
  raw(p: usize, n: u32): void {
    const to = this.reserve(n);
    if (to != 0) memory.copy(to, p, n);
  }

  /** Header of a byte string of `n` bytes, whose contents the caller writes next with `raw()` or `reserve()`. */
  bytesHeader(n: u32): void {
    this.head(MAJOR_BYTES, n);
  }

  /** Room for `n` bytes that the caller fills in; 0 when they do not fit. */
  reserve(n: u32): usize {
    if (this.failed != 0) return 0;
    assert(this.at >= this.start && this.at <= this.end);
    if (n > <u32>(this.end - this.at)) {
      this.fail(REASON_TOO_LONG);
      return 0;
    }
    const p = this.at;
    this.at = p + n;
    return p;
  }

  /** Length of what was written, or the negative reason of the first failure. */
  finish(): i32 {
    return this.failed != 0 ? -this.failed : <i32>(this.at - this.start);
  }

  fail(reason: i32): void {
    assert(reason > 0);
    if (this.failed == 0) this.failed = reason;
  }

  private head(major: i32, argument: u64): void {
    const first = <u8>(major << 5);
    if (argument < 24) {
      const p = this.reserve(1);
      if (p != 0) store<u8>(p, first | (<u8>argument));
    } else if (argument <= 0xff) {
      const p = this.reserve(2);
      if (p == 0) return;
      store<u8>(p, first | 24);
      store<u8>(p, <u8>argument, 1);
    } else if (argument <= 0xffff) {
      const p = this.reserve(3);
      if (p == 0) return;
      store<u8>(p, first | 25);
      store<u16>(p, bswap<u16>(<u16>argument), 1);
    } else if (argument <= 0xffffffff) {
      const p = this.reserve(5);
      if (p == 0) return;
      store<u8>(p, first | 26);
      store<u32>(p, bswap<u32>(<u32>argument), 1);
    } else {
      const p = this.reserve(9);
      if (p == 0) return;
      store<u8>(p, first | 27);
      store<u64>(p, bswap<u64>(argument), 1);
    }
  }
}

/** Place of a map key in deterministic order: 0, 1, 2 and so on, then -1, -2 and so on. */
// @ts-ignore: decorator
@inline
function keyRank(key: i32): u32 {
  return key >= 0 ? <u32>key : (<u32>~key) | 0x80000000;
}

/** One open array or map of `skip()`: items left, whether keys precede them, the previous key. */
@unmanaged
class Frame {
  left: u32;
  isMap: i32;
  key: i32;
}

const FRAMES: usize = memory.data(offsetof<Frame>() * CBOR_DEPTH_MAX, 4);

function frame(depth: i32): Frame {
  assert(depth >= 0 && depth < CBOR_DEPTH_MAX);
  return changetype<Frame>(FRAMES + depth * offsetof<Frame>());
}


@unmanaged
export class Reader {
  at: usize;
  end: usize;
  failed: i32;
  /** Length of the byte string or text that was read last. */
  length: u32;
  /** Major type of the head that was read last. */
  private major: i32;

  begin(p: usize, n: u32): void {
    this.at = p;
    this.end = p + n;
    this.failed = 0;
    this.length = 0;
    this.major = 0;
  }

  uint(): u64 {
    return this.headOf(MAJOR_UINT);
  }

  /** An unsigned integer below 2^63, so that a sum of two never wraps. */
  amount(): u64 {
    const v = this.headOf(MAJOR_UINT);
    if (v <= <u64>i64.MAX_VALUE) return v;
    this.fail(REASON_MALFORMED);
    return 0;
  }

  int(): i64 {
    const argument = this.head();
    if (this.major > MAJOR_NEGATIVE || argument > <u64>i64.MAX_VALUE) {
      this.fail(REASON_MALFORMED);
      return 0;
    }
    return this.major == MAJOR_NEGATIVE ? ~(<i64>argument) : <i64>argument;
  }

  /** A byte string of at least `min` and at most `max` bytes; its length is in `length`. */
  bytes(min: u32, max: u32): usize {
    const n = this.headOf(MAJOR_BYTES);
    if (n < min || n > max) this.fail(REASON_MALFORMED);
    return this.contents(n);
  }

  /** A byte string of exactly `n` bytes, at most 64; longer ones are read by `bytes(n, n)` and checked first. */
  fixed(n: u32): usize {
    assert(n <= ZERO_BYTES);
    return this.bytes(n, n);
  }

  /** Text of at most `max` bytes; its length is in `length`. */
  text(max: u32): usize {
    const n = this.headOf(MAJOR_TEXT);
    if (n > max) this.fail(REASON_MALFORMED);
    const p = this.contents(n);
    if (!utf8Valid(p, this.length)) this.fail(REASON_MALFORMED);
    return this.failed != 0 ? this.contents(0) : p;
  }

  /** Number of items of an array; never more than the bytes that are left. */
  array(): u32 {
    return this.count(this.headOf(MAJOR_ARRAY), 1);
  }

  arrayOf(n: u32): void {
    if (this.array() != n) this.fail(REASON_MALFORMED);
  }

  /** Number of entries of a map; never more than half of the bytes that are left. */
  map(): u32 {
    return this.count(this.headOf(MAJOR_MAP), 2);
  }

  mapOf(n: u32): void {
    if (this.map() != n) this.fail(REASON_MALFORMED);
  }

  /** The next key of a map, which must come after `previous` (KEY_NONE for the first). */
  mapKey(previous: i32): i32 {
    const key = this.int();
    const inRange = key == <i64>(<i32>key) && <i32>key != KEY_NONE;
    const ascends = previous == KEY_NONE || keyRank(<i32>key) > keyRank(previous);
    if (this.failed == 0 && inRange && ascends) return <i32>key;
    this.fail(REASON_MALFORMED);
    return 0;
  }

  /** A key that must be this one. Keys written in order in the caller's source are thereby read in order. */
  keyIs(expected: i32): void {
    if (this.int() != <i64>expected) this.fail(REASON_MALFORMED);
  }

  /** The number that a message begins with: 0, which none has, for one that is none of ours. */
  number(): i32 {
    const number = this.uint();
    return number < 256 ? <i32>number : 0;
  }

  bool(): bool {
    const value = this.headOf(MAJOR_SIMPLE);
    if (value != (FALSE & 31) && value != (TRUE & 31)) this.fail(REASON_MALFORMED);
    return this.failed == 0 && value == (TRUE & 31);
  }

  /** True when null comes next, which is then consumed. */
  isNil(): bool {
    if (this.at >= this.end || load<u8>(this.at) != NIL) return false;
    this.at += 1;
    return true;
  }

  /** Major type of the next item, or -1 when there is none. */
  peekMajor(): i32 {
    return this.at < this.end ? load<u8>(this.at) >> 5 : -1;
  }

  /** Any one item, checked as strictly as if it were read. */
  skip(): void {
    let depth: i32 = 0;
    do {
      if (depth > 0) {
        const open = frame(depth - 1);
        open.left -= 1;
        if (open.isMap != 0) open.key = this.mapKey(open.key);
      }
      const entries = this.skipHead();
      if (entries >= 0) {
        if (depth == CBOR_DEPTH_MAX) return this.fail(REASON_MALFORMED);
        const open = frame(depth);
        open.left = entries;
        open.isMap = i32(this.major == MAJOR_MAP);
        open.key = KEY_NONE;
        depth += 1;
      }
      while (depth > 0 && frame(depth - 1).left == 0) depth -= 1;
    } while (depth > 0 && this.failed == 0);
  }

  /** 0, or the negative reason of the first failure; bytes that are left over are malformed too. */
  finish(): i32 {
    if (this.at != this.end) this.fail(REASON_MALFORMED);
    return -this.failed;
  }

  fail(reason: i32): void {
    assert(reason > 0);
    if (this.failed == 0) this.failed = reason;
    this.at = this.end;
    this.length = 0;
  }

  /** Consumes a head and, of a string, its contents; answers the number of entries of an array or map, else -1. */
  private skipHead(): i32 {
    const argument = this.head();
    switch (this.major) {
      case MAJOR_UINT:
        return -1;
      case MAJOR_NEGATIVE:
        if (argument > <u64>i64.MAX_VALUE) this.fail(REASON_MALFORMED);
        return -1;
      case MAJOR_BYTES:
        this.contents(argument);
        return -1;
      case MAJOR_TEXT: {
        const p = this.contents(argument);
        if (!utf8Valid(p, this.length)) this.fail(REASON_MALFORMED);
        return -1;
      }
      case MAJOR_ARRAY:
        return this.count(argument, 1);
      case MAJOR_MAP:
        return this.count(argument, 2);
      case MAJOR_SIMPLE:
        if (argument < (FALSE & 31) || argument > (NIL & 31)) this.fail(REASON_MALFORMED);
        return -1;
    }
    this.fail(REASON_MALFORMED);
    return -1;
  }

  private headOf(major: i32): u64 {
    const argument = this.head();
    if (this.major == major) return argument;
    this.fail(REASON_MALFORMED);
    return 0;
  }

  /** Reads an initial byte and its argument, which must have its shortest form. */
  private head(): u64 {
    const at = this.at;
    const left = <u32>(this.end - at);
    if (this.failed != 0 || left == 0) return this.noHead();
    const first: u32 = load<u8>(at);
    const information = first & 31;
    this.major = first >> 5;
    if (information < 24) {
      this.at = at + 1;
      return information;
    }
    // Simple values beyond the initial byte, and floats, have no place in the subset.
    if (information > 27 || this.major == MAJOR_SIMPLE) return this.noHead();
    const width: u32 = 1 << (information - 24);
    if (left < 1 + width) return this.noHead();
    this.at = at + 1 + width;
    let value: u64 = load<u8>(at, 1);
    let shorter: u64 = 24;
    if (width == 2) {
      value = bswap<u16>(load<u16>(at, 1));
      shorter = 0x100;
    } else if (width == 4) {
      value = bswap<u32>(load<u32>(at, 1));
      shorter = 0x10000;
    } else if (width == 8) {
      value = bswap<u64>(load<u64>(at, 1));
      shorter = 0x100000000;
    }
    return value >= shorter ? value : this.noHead();
  }

  private noHead(): u64 {
    this.fail(REASON_MALFORMED);
    this.major = -1;
    return 0;
  }

  /** The `n` bytes that come next. */
  private contents(n: u64): usize {
    if (this.failed == 0 && n <= <u64>(this.end - this.at)) {
      const p = this.at;
      this.at = p + <u32>n;
      this.length = <u32>n;
      return p;
    }
    this.fail(REASON_MALFORMED);
    return ZERO;
  }

  /** A count of entries, of which each takes at least `bytes` bytes: bounds every loop over them by the input. */
  private count(n: u64, bytes: u32): u32 {
    if (this.failed == 0 && n <= <u64>(<u32>(this.end - this.at) / bytes)) return <u32>n;
    this.fail(REASON_MALFORMED);
    return 0;
  }
}
