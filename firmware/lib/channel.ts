/**
 * A sealed channel: what a session is after its handshake, and the link between agent and module of one device.
 *
 * Each direction has a key and a counter; the counter is the nonce and never travels. A message is therefore accepted
 * once, in order, unaltered, or not at all. Links repeat what they carry: the repeat of the last accepted message, told
 * by its length and tag, answers -REASON_REPEAT, changes nothing and is not counted, so that the caller can send its
 * stored reply again. Whatever else does not open is counted, and SESSION_ERRORS_MAX of them end the channel.
 *
 * All state is inline, so an instance is static memory:
 * `const link = changetype<Channel>(memory.data(offsetof<Channel>(), 8));`
 */

import { aeadOpen, aeadSeal, hkdfSha256 } from "../platform/imports";
import { KEY_BYTES, NONCE_BYTES, PLATFORM_BAD_TAG, TAG_BYTES } from "../platform/constants";
import { SESSION_ERRORS_MAX } from "../protocol/limits";
import { REASON_BAD_SEAL, REASON_REPEAT, REASON_TOO_LONG, REASON_UNEXPECTED } from "../protocol/reasons";

export const SESSION_NONE: u32 = 0;
export const SESSION_HANDSHAKE: u32 = 1;
export const SESSION_OPEN: u32 = 2;

/** Offset, field: 0 sendKey, 32 receiveKey, 64 counters, 80 last message, 100 errors, 104 state. */
@unmanaged
export class Channel {
  /** 32 bytes; the three fields after it hold the rest. */
  sendKey: u64;
  private sendKey1: u64;
  private sendKey2: u64;
  private sendKey3: u64;
  /** 32 bytes. */
  receiveKey: u64;
  private receiveKey1: u64;
  private receiveKey2: u64;
  private receiveKey3: u64;
  sendCounter: u64;
  receiveCounter: u64;
  /** Tag of the last accepted message, its last 16 bytes. */
  lastTag: u64;
  lastTag1: u64;
  /** Length of the last accepted message, tag included; zero before the first. */
  lastLength: u32;
  errors: u32;
  /** SESSION_NONE, SESSION_HANDSHAKE (sessions only) or SESSION_OPEN. */
  state: u32;
  private reserved: u32;
}

/** "tallystick channel": context of the derivation of the two keys from one. */
const CHANNEL_INFO = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x63, 0x68, 0x61, 0x6e, 0x6e, 0x65, 0x6c,
]);
const CHANNEL_INFO_BYTES: u32 = 18;

/** Noise's ChaChaPoly nonce: four zero bytes, then the counter in little-endian. */
const nonce = memory.data(NONCE_BYTES, 8);
/** Both keys, between their derivation and their place. */
const derived = memory.data(2 * KEY_BYTES, 8);

/** The nonce of a counter value; valid until the next call. */
export function counterNonce(counter: u64): usize {
  store<u32>(nonce, 0);
  store<u64>(nonce, counter, 4);
  return nonce;
}

/** Opens a channel from one 32-byte key that both ends hold and use for nothing else; the caller wipes its copy. */
export function channelBegin(c: Channel, key: usize, initiator: bool): i32 {
  channelEnd(c);
  const status = hkdfSha256(0, 0, key, KEY_BYTES, CHANNEL_INFO, CHANNEL_INFO_BYTES, derived, 2 * KEY_BYTES);
  if (status >= 0) channelOpenWith(c, derived, initiator);
  memory.fill(derived, 0, 2 * KEY_BYTES);
  return status < 0 ? status : 0;
}

/**
 * Opens a channel with the two keys at `keys`, the initiator's sending key first. What was accepted last stays: it is
 * the last handshake message of a session, and a repeat of that one must be known as well.
 */
export function channelOpenWith(c: Channel, keys: usize, initiator: bool): void {
  assert(c.state != SESSION_OPEN);
  const at = changetype<usize>(c);
  memory.copy(at + offsetof<Channel>("sendKey"), initiator ? keys : keys + KEY_BYTES, KEY_BYTES);
  memory.copy(at + offsetof<Channel>("receiveKey"), initiator ? keys + KEY_BYTES : keys, KEY_BYTES);
  c.sendCounter = 0;
  c.receiveCounter = 0;
  c.errors = 0;
  c.state = SESSION_OPEN;
}

/**
 * Seals the next message: `length` + 16 bytes at `out`, which may be `plain` itself but
 * not overlap it otherwise. A refusal changes nothing.
 */
export function channelSeal(c: Channel, plain: usize, length: u32, out: usize, capacity: u32): i32 {
  if (c.state != SESSION_OPEN) return -REASON_UNEXPECTED;
  if (capacity < <u32>TAG_BYTES || length > capacity - TAG_BYTES) return -REASON_TOO_LONG;
  assert(c.sendCounter != u64.MAX_VALUE);
  const key = changetype<usize>(c) + offsetof<Channel>("sendKey");
  const sealed = length + TAG_BYTES;
  const status = aeadSeal(key, KEY_BYTES, counterNonce(c.sendCounter), NONCE_BYTES, 0, 0, plain, length, out, sealed);
  if (status < 0) return status;
  c.sendCounter += 1;
  return sealed;
}

/**
 * Opens the next message: `length` - 16 bytes at `out`, which may be `sealed` itself but not overlap it otherwise.
 * -REASON_REPEAT: the last accepted message again, nothing changed. -REASON_BAD_SEAL, -REASON_TOO_LONG: refused and counted, `out` untouched; look at
 * `state`, the channel may have ended.
 */
export function channelOpen(c: Channel, sealed: usize, length: u32, out: usize, capacity: u32): i32 {
  if (c.state != SESSION_OPEN) return -REASON_UNEXPECTED;
  if (length < <u32>TAG_BYTES) return channelRefuse(c, REASON_BAD_SEAL);
  if (channelIsRepeat(c, sealed, length)) return -REASON_REPEAT;
  const plainLength = length - TAG_BYTES;
  if (plainLength > capacity) return channelRefuse(c, REASON_TOO_LONG);
  assert(c.receiveCounter != u64.MAX_VALUE);
  const key = changetype<usize>(c) + offsetof<Channel>("receiveKey");
  const at = counterNonce(c.receiveCounter);
  const status = aeadOpen(key, KEY_BYTES, at, NONCE_BYTES, 0, 0, sealed, length, out, plainLength);
  if (status == PLATFORM_BAD_TAG) return channelRefuse(c, REASON_BAD_SEAL);
  if (status < 0) return status;
  c.receiveCounter += 1;
  // Opening in place leaves the tag behind the plaintext as it was.
  channelRemember(c, sealed, length);
  return plainLength;
}

/** Remembers an accepted message, so that its repeat is known. Shorter than a tag: no message of ours is. */
export function channelRemember(c: Channel, message: usize, length: u32): void {
  assert(length >= <u32>TAG_BYTES);
  c.lastTag = load<u64>(message + length - TAG_BYTES);
  c.lastTag1 = load<u64>(message + length - TAG_BYTES, 8);
  c.lastLength = length;
}

/** Whether a message is the last accepted one, as far as its length and tag tell. */
export function channelIsRepeat(c: Channel, message: usize, length: u32): bool {
  if (length < <u32>TAG_BYTES || length != c.lastLength) return false;
  const tag = message + length - TAG_BYTES;
  return ((load<u64>(tag) ^ c.lastTag) | (load<u64>(tag, 8) ^ c.lastTag1)) == 0;
}

/** Counts a refused message; the one that reaches SESSION_ERRORS_MAX ends the channel. */
export function channelRefuse(c: Channel, reason: i32): i32 {
  assert(reason > 0);
  c.errors += 1;
  if (c.errors >= <u32>SESSION_ERRORS_MAX) channelEnd(c);
  return -reason;
}

/** Wipes all of it. */
export function channelEnd(c: Channel): void {
  memory.fill(changetype<usize>(c), 0, offsetof<Channel>());
}
