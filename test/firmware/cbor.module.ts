// One writer and one reader, whose methods a test calls one by one.
import { KEY_NONE, Reader, Writer } from "../../firmware/lib/cbor";
export { hexRead, hexWrite } from "../../firmware/lib/hex";
export { equal, equalConstantTime, wipe } from "../../firmware/lib/memory";
export { utf8Valid } from "../../firmware/lib/utf8";

const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 4));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));

export function keyNone(): i32 {
  return KEY_NONE;
}

export function writeBegin(buffer: usize, capacity: u32): void {
  writer.begin(buffer, capacity);
}
export function writeUint(v: u64): void {
  writer.uint(v);
}
export function writeInt(v: i64): void {
  writer.int(v);
}
export function writeBytes(p: usize, n: u32): void {
  writer.bytes(p, n);
}
export function writeText(p: usize, n: u32): void {
  writer.text(p, n);
}
export function writeArray(n: u32): void {
  writer.array(n);
}
export function writeMap(n: u32): void {
  writer.map(n);
}
export function writeBool(v: bool): void {
  writer.bool(v);
}
export function writeNil(): void {
  writer.nil();
}
export function writeRaw(p: usize, n: u32): void {
  writer.raw(p, n);
}
export function writeBytesHeader(n: u32): void {
  writer.bytesHeader(n);
}
export function writeReserve(n: u32): usize {
  return writer.reserve(n);
}
export function writeFinish(): i32 {
  return writer.finish();
}

export function readBegin(p: usize, n: u32): void {
  reader.begin(p, n);
}
export function readUint(): u64 {
  return reader.uint();
}
export function readAmount(): u64 {
  return reader.amount();
}
export function readInt(): i64 {
  return reader.int();
}
export function readBytes(min: u32, max: u32): usize {
  return reader.bytes(min, max);
}
export function readFixed(n: u32): usize {
  return reader.fixed(n);
}
export function readText(max: u32): usize {
  return reader.text(max);
}
export function readArray(): u32 {
  return reader.array();
}
export function readArrayOf(n: u32): void {
  reader.arrayOf(n);
}
export function readMap(): u32 {
  return reader.map();
}
export function readMapOf(n: u32): void {
  reader.mapOf(n);
}
export function readMapKey(previous: i32): i32 {
  return reader.mapKey(previous);
}
export function readKeyIs(key: i32): void {
  reader.keyIs(key);
}
export function readBool(): bool {
  return reader.bool();
}
export function readIsNil(): bool {
  return reader.isNil();
}
export function readPeekMajor(): i32 {
  return reader.peekMajor();
}
export function readSkip(): void {
  reader.skip();
}
export function readFinish(): i32 {
  return reader.finish();
}
export function readFail(reason: i32): void {
  reader.fail(reason);
}
export function readLength(): u32 {
  return reader.length;
}
export function readFailed(): i32 {
  return reader.failed;
}

/** Verdict on one item by `skip()`. */
export function skipAll(p: usize, n: u32): i32 {
  reader.begin(p, n);
  reader.skip();
  return reader.finish();
}
