/**
 * Sessions: Noise_XX_25519_ChaChaPoly_SHA256, and sealing to a public key: Noise_N_25519_ChaChaPoly_SHA256
 * (The Noise Protocol Framework, revision 34, sections 5 and 7).
 *
 *     XX:  -> e               N:  <- s
 *          <- e, ee, s, es        ...
 *          -> s, se               -> e, es
 *
 * Private keys stay in the platform's slots: the static one in the slot of the element, the ephemeral one in a volatile
 * slot that the caller lends, filled when `e` is sent, erased after its last agreement or when the session ends.
 *
 * Life of a session: sessionBegin; handshakeWrite and handshakeRead in turns, the initiator first, three messages in
 * all; then both ends are SESSION_OPEN, the handshake's secrets are wiped, and sessionSeal and sessionOpen carry
 * messages as a channel does (channel.ts). What the caller must still check after the message that shows it: that
 * sessionRemoteStatic is the key in the peer's certificate.
 *
 * An error in the handshake ends the session and wipes it. Not an error: the last accepted message again, which answers
 * -REASON_REPEAT and changes nothing, in the handshake as after it. (The first message has no tag: its last 16 bytes
 * stand for one. Whoever forges them is answered with a message that was sent before.)
 */

import {
  aeadOpen,
  aeadSeal,
  hkdfSha256,
  sha256,
  slotErase,
  slotGenerate,
  slotPublic,
  x25519Agree,
} from "../platform/imports";
import {
  HASH_BYTES,
  KEY_BYTES,
  KEY_KIND_X25519,
  NONCE_BYTES,
  PLATFORM_BAD_KEY,
  PLATFORM_BAD_TAG,
  SLOTS_PERSISTENT,
  TAG_BYTES,
} from "../platform/constants";
import { HANDSHAKE_PAYLOAD_BYTES_MAX } from "../protocol/limits";
import {
  REASON_BAD_SEAL,
  REASON_MALFORMED,
  REASON_REPEAT,
  REASON_TOO_LONG,
  REASON_UNEXPECTED,
} from "../protocol/reasons";
import { HANDSHAKE_HASHED, HANDSHAKE_TEXT_BYTES_MAX } from "./io";
import {
  Channel,
  channelIsRepeat,
  channelOpen,
  channelOpenWith,
  channelRefuse,
  channelRemember,
  channelSeal,
  counterNonce,
  SESSION_HANDSHAKE,
  SESSION_NONE,
  SESSION_OPEN,
} from "./channel";

export { SESSION_HANDSHAKE, SESSION_NONE, SESSION_OPEN } from "./channel";

/** What sealing to a public key adds to a plaintext: the ephemeral key and the tag. */
export const SEALED_TO_EXTRA_BYTES: i32 = 48;

/** All that a session knows: a channel, and before it the state of the handshake. Fields of 32 bytes take four u64. */
@unmanaged
export class Session extends Channel {
  /** Noise's h; once the session is open the final handshake hash, the pay-id of a payment. */
  hash: u64;
  private hash1: u64;
  private hash2: u64;
  private hash3: u64;
  /** Noise's ck; after the handshake kept for sessionExport, until it is forgotten. */
  chainingKey: u64;
  private chainingKey1: u64;
  private chainingKey2: u64;
  private chainingKey3: u64;
  /** Noise's k; wiped by the split. */
  handshakeKey: u64;
  private handshakeKey1: u64;
  private handshakeKey2: u64;
  private handshakeKey3: u64;
  /** Noise's n. */
  handshakeCounter: u64;
  remoteEphemeral: u64;
  private remoteEphemeral1: u64;
  private remoteEphemeral2: u64;
  private remoteEphemeral3: u64;
  remoteStatic: u64;
  private remoteStatic1: u64;
  private remoteStatic2: u64;
  private remoteStatic3: u64;
  /** Handshake messages done, 0 to 3. */
  step: u32;
  /** 1 for the initiator. */
  initiator: u32;
  staticSlot: u32;
  ephemeralSlot: u32;
  /** 1 while the ephemeral slot holds this session's key. */
  ephemeralLive: u32;
  /** 1 once handshakeKey holds a key: what comes before travels in clear. */
  keyed: u32;
  /** 1 while the chaining key is there to export from. */
  exportable: u32;
  private reservedSession: u32;
}

/** "Noise_XX_25519_ChaChaPoly_SHA256", exactly a hash long. */
const NAME_XX = memory.data<u8>([
  0x4e, 0x6f, 0x69, 0x73, 0x65, 0x5f, 0x58, 0x58, 0x5f, 0x32, 0x35, 0x35, 0x31, 0x39, 0x5f, 0x43, 0x68, 0x61, 0x43,
  0x68, 0x61, 0x50, 0x6f, 0x6c, 0x79, 0x5f, 0x53, 0x48, 0x41, 0x32, 0x35, 0x36,
]);
/** "Noise_N_25519_ChaChaPoly_SHA256", padded with a zero byte to a hash. */
const NAME_N = memory.data<u8>([
  0x4e, 0x6f, 0x69, 0x73, 0x65, 0x5f, 0x4e, 0x5f, 0x32, 0x35, 0x35, 0x31, 0x39, 0x5f, 0x43, 0x68, 0x61, 0x43, 0x68,
  0x61, 0x50, 0x6f, 0x6c, 0x79, 0x5f, 0x53, 0x48, 0x41, 0x32, 0x35, 0x36, 0x00,
]);

const TEXT_BYTES_MAX: i32 = HANDSHAKE_TEXT_BYTES_MAX;
/** What mixHash hashes: h, then the text. Holds ciphertext and public keys only. */
const hashed: usize = HANDSHAKE_HASHED;
const text: usize = hashed + HASH_BYTES;
/** A shared secret, and the 64 bytes derived from it; wiped after each use. */
const shared = memory.data(KEY_BYTES, 8);
const derived = memory.data(2 * KEY_BYTES, 8);
/** Own public key on its way into a message. */
const ownPublic = memory.data(KEY_BYTES, 8);
/** The symmetric state of sealing to a public key. */
const oneWay = changetype<Session>(memory.data(offsetof<Session>(), 8));


@inline function hashOf(s: Session): usize {
  return changetype<usize>(s) + offsetof<Session>("hash");
}


@inline function chainingKeyOf(s: Session): usize {
  return changetype<usize>(s) + offsetof<Session>("chainingKey");
}


@inline function handshakeKeyOf(s: Session): usize {
  return changetype<usize>(s) + offsetof<Session>("handshakeKey");
}


@inline function remoteEphemeralOf(s: Session): usize {
  return changetype<usize>(s) + offsetof<Session>("remoteEphemeral");
}


@inline function remoteStaticOf(s: Session): usize {
  return changetype<usize>(s) + offsetof<Session>("remoteStatic");
}

// Sessions.

/** Starts a handshake; what the session was before is wiped. The prologue is what both ends must agree on unsaid. */
export function sessionBegin(
  s: Session,
  initiator: bool,
  prologue: usize,
  prologueLength: u32,
  staticSlot: u32,
  ephemeralSlot: u32,
): i32 {
  assert(ephemeralSlot >= <u32>SLOTS_PERSISTENT);
  sessionEnd(s);
  if (prologueLength > <u32>TEXT_BYTES_MAX) return -REASON_TOO_LONG;
  s.initiator = initiator ? 1 : 0;
  s.staticSlot = staticSlot;
  s.ephemeralSlot = ephemeralSlot;
  s.state = SESSION_HANDSHAKE;
  return endOnError(s, symmetricBegin(s, NAME_XX, prologue, prologueLength));
}

/**
 * Writes the next handshake message, whose length is the result: the payload and 32, 96 or 64 bytes. Payload and
 * message must not overlap. The payload of the first message travels in clear.
 */
export function handshakeWrite(s: Session, payload: usize, payloadLength: u32, out: usize, capacity: u32): i32 {
  if (s.state != SESSION_HANDSHAKE) return -REASON_UNEXPECTED;
  if ((s.step & 1) == s.initiator) return endOnError(s, -REASON_UNEXPECTED);
  if (payloadLength > <u32>HANDSHAKE_PAYLOAD_BYTES_MAX) return endOnError(s, -REASON_TOO_LONG);
  const length = payloadLength + handshakeExtraBytes(s.step);
  if (length > capacity) return endOnError(s, -REASON_TOO_LONG);
  assert(payload + payloadLength <= out || out + length <= payload);
  let status = writeTokens(s, out);
  if (status < 0) return endOnError(s, status);
  status = encryptAndHash(s, payload, payloadLength, out + status);
  if (status >= 0) status = handshakeStepDone(s);
  return endOnError(s, status < 0 ? status : length);
}

/** Reads the next handshake message; the result is its payload's length. `payloadOut` may lie in the message. */
export function handshakeRead(s: Session, message: usize, length: u32, payloadOut: usize, capacity: u32): i32 {
  if (s.state == SESSION_NONE) return -REASON_UNEXPECTED;
  if (channelIsRepeat(s, message, length)) return -REASON_REPEAT;
  if (s.state == SESSION_OPEN) return refuse(s, REASON_UNEXPECTED);
  if ((s.step & 1) != s.initiator) return endOnError(s, -REASON_UNEXPECTED);
  const extra = handshakeExtraBytes(s.step);
  if (length < extra) return endOnError(s, -REASON_MALFORMED);
  const payloadLength = length - extra;
  if (payloadLength > <u32>HANDSHAKE_PAYLOAD_BYTES_MAX || payloadLength > capacity) {
    return endOnError(s, -REASON_TOO_LONG);
  }
  const tokens = readTokens(s, message);
  if (tokens < 0) return endOnError(s, tokens);
  // Before the payload is written: it may lie over the message.
  channelRemember(s, message, length);
  let status = decryptAndHash(s, message + tokens, length - tokens, payloadOut);
  if (status >= 0) status = handshakeStepDone(s);
  return endOnError(s, status < 0 ? status : payloadLength);
}

/** The peer's static key, 32 bytes: proved by the end of the message that follows it, and gone with the session. */
export function sessionRemoteStatic(s: Session): usize {
  return remoteStaticOf(s);
}

/** The handshake hash, 32 bytes: final once the session is open, gone with the session. */
export function sessionHash(s: Session): usize {
  return hashOf(s);
}

/**
 * A 32-byte secret that both ends of this session share and nobody else: HKDF-SHA256 with the handshake hash as salt,
 * the final chaining key as material and the caller's context as info. Only until the first transport message is
 * sealed or opened, or until sessionForgetExport, because afterwards a stolen chaining key must not tell anything.
 */
export function sessionExport(s: Session, info: usize, infoLength: u32, out: usize): i32 {
  if (s.state != SESSION_OPEN || s.exportable == 0) return -REASON_UNEXPECTED;
  assert(infoLength > 0);
  const status = hkdfSha256(hashOf(s), HASH_BYTES, chainingKeyOf(s), KEY_BYTES, info, infoLength, out, KEY_BYTES);
  return status < 0 ? status : 0;
}

/** Wipes the chaining key: nothing can be exported any more. */
export function sessionForgetExport(s: Session): void {
  memory.fill(chainingKeyOf(s), 0, KEY_BYTES);
  s.exportable = 0;
}

/** Seals the next message: see channelSeal. */
export function sessionSeal(s: Session, plain: usize, length: u32, out: usize, capacity: u32): i32 {
  const status = channelSeal(s, plain, length, out, capacity);
  if (status >= 0) sessionForgetExport(s);
  return status;
}

/** Opens the next message: see channelOpen. */
export function sessionOpen(s: Session, sealed: usize, length: u32, out: usize, capacity: u32): i32 {
  const status = channelOpen(s, sealed, length, out, capacity);
  if (status >= 0) sessionForgetExport(s);
  if (s.state == SESSION_NONE) sessionEnd(s);
  return status;
}

/** Ends a session in any state: wipes all of it, the ephemeral key included. */
export function sessionEnd(s: Session): void {
  eraseEphemeral(s);
  memory.fill(changetype<usize>(s), 0, offsetof<Session>());
}

// Sealing to a public key.

/**
 * Seals one message to the owner of a static key: `length` + 48 bytes at `out`, which must not overlap `plain`.
 * The ephemeral slot is volatile and empty afterwards. Says nothing of who sealed: sign what is sealed.
 */
export function sealTo(
  remoteStatic: usize,
  prologue: usize,
  prologueLength: u32,
  ephemeralSlot: u32,
  plain: usize,
  length: u32,
  out: usize,
  capacity: u32,
): i32 {
  assert(ephemeralSlot >= <u32>SLOTS_PERSISTENT);
  if (prologueLength > <u32>TEXT_BYTES_MAX) return -REASON_TOO_LONG;
  if (capacity < <u32>SEALED_TO_EXTRA_BYTES || length > capacity - SEALED_TO_EXTRA_BYTES) return -REASON_TOO_LONG;
  const sealed = length + SEALED_TO_EXTRA_BYTES;
  assert(plain + length <= out || out + sealed <= plain);
  oneWay.ephemeralSlot = ephemeralSlot;
  let status = symmetricBegin(oneWay, NAME_N, prologue, prologueLength);
  if (status >= 0) status = mixHash(oneWay, remoteStatic, KEY_BYTES);
  if (status >= 0) status = writeEphemeral(oneWay, out);
  if (status >= 0) status = mixAgreement(oneWay, ephemeralSlot, remoteStatic);
  // The hash of the last text is wanted by nobody, so a sealed text may be longer than a handshake's.
  if (status >= 0) status = sealText(oneWay, plain, length, out + KEY_BYTES);
  sessionEnd(oneWay);
  return status < 0 ? peerError(status) : sealed;
}

/** Opens what was sealed to the key in a slot: `length` - 48 bytes at `out`, or -REASON_BAD_SEAL. */
export function openSealed(
  staticSlot: u32,
  prologue: usize,
  prologueLength: u32,
  sealed: usize,
  length: u32,
  out: usize,
  capacity: u32,
): i32 {
  if (prologueLength > <u32>TEXT_BYTES_MAX) return -REASON_TOO_LONG;
  if (length < <u32>SEALED_TO_EXTRA_BYTES) return -REASON_MALFORMED;
  const plainLength = length - SEALED_TO_EXTRA_BYTES;
  if (plainLength > capacity) return -REASON_TOO_LONG;
  let status = symmetricBegin(oneWay, NAME_N, prologue, prologueLength);
  if (status >= 0) status = slotPublic(staticSlot, ownPublic, KEY_BYTES);
  if (status >= 0) status = mixHash(oneWay, ownPublic, KEY_BYTES);
  if (status >= 0) status = readEphemeral(oneWay, sealed);
  if (status >= 0) status = mixAgreement(oneWay, staticSlot, remoteEphemeralOf(oneWay));
  if (status >= 0) status = openText(oneWay, sealed + KEY_BYTES, length - KEY_BYTES, out);
  sessionEnd(oneWay);
  return status < 0 ? peerError(status) : plainLength;
}

// Messages of XX. Each function below answers a negative error, or what it wrote or read in bytes.

/** Bytes of a message beyond its payload. */
function handshakeExtraBytes(step: u32): u32 {
  if (step == 0) return KEY_BYTES;
  if (step == 1) return KEY_BYTES + KEY_BYTES + 2 * TAG_BYTES;
  return KEY_BYTES + 2 * TAG_BYTES;
}

function writeTokens(s: Session, out: usize): i32 {
  let at = 0;
  if (s.step <= 1) {
    at = writeEphemeral(s, out);
    if (at < 0 || s.step == 0) return at;
    const status = mixAgreement(s, s.ephemeralSlot, remoteEphemeralOf(s)); // ee
    if (status < 0) return status;
  }
  let status = slotPublic(s.staticSlot, ownPublic, KEY_BYTES);
  if (status >= 0) status = encryptAndHash(s, ownPublic, KEY_BYTES, out + at);
  // The writer's static key with the reader's ephemeral one: es in message 2, se in message 3.
  if (status >= 0) status = mixAgreement(s, s.staticSlot, remoteEphemeralOf(s));
  return status < 0 ? status : at + KEY_BYTES + TAG_BYTES;
}

function readTokens(s: Session, message: usize): i32 {
  let at = 0;
  if (s.step <= 1) {
    at = readEphemeral(s, message);
    if (at < 0 || s.step == 0) return at;
    const status = mixAgreement(s, s.ephemeralSlot, remoteEphemeralOf(s)); // ee
    if (status < 0) return status;
  }
  let status = decryptAndHash(s, message + at, KEY_BYTES + TAG_BYTES, remoteStaticOf(s));
  // The reader's ephemeral key with the writer's static one: es in message 2, se in message 3.
  if (status >= 0) status = mixAgreement(s, s.ephemeralSlot, remoteStaticOf(s));
  if (status < 0) return status;
  eraseEphemeral(s);
  return at + KEY_BYTES + TAG_BYTES;
}

/** After the third message: the split. */
function handshakeStepDone(s: Session): i32 {
  s.step += 1;
  if (s.step < 3) return 0;
  assert(s.ephemeralLive == 0);
  const status = hkdfSha256(chainingKeyOf(s), KEY_BYTES, 0, 0, 0, 0, derived, 2 * KEY_BYTES);
  if (status >= 0) {
    channelOpenWith(s, derived, s.initiator != 0);
    s.exportable = 1;
  }
  memory.fill(derived, 0, 2 * KEY_BYTES);
  memory.fill(handshakeKeyOf(s), 0, KEY_BYTES);
  memory.fill(remoteEphemeralOf(s), 0, KEY_BYTES);
  s.keyed = 0;
  return status;
}

function writeEphemeral(s: Session, out: usize): i32 {
  s.ephemeralLive = 1;
  let status = slotGenerate(s.ephemeralSlot, KEY_KIND_X25519);
  if (status >= 0) status = slotPublic(s.ephemeralSlot, out, KEY_BYTES);
  if (status >= 0) status = mixHash(s, out, KEY_BYTES);
  return status < 0 ? status : KEY_BYTES;
}

function readEphemeral(s: Session, message: usize): i32 {
  memory.copy(remoteEphemeralOf(s), message, KEY_BYTES);
  const status = mixHash(s, message, KEY_BYTES);
  return status < 0 ? status : KEY_BYTES;
}

/** A volatile slot that cannot be wiped is a broken chip, and nothing may go on there. */
function eraseEphemeral(s: Session): void {
  if (s.ephemeralLive == 0) return;
  assert(slotErase(s.ephemeralSlot) >= 0);
  s.ephemeralLive = 0;
}

// Noise's symmetric state, section 5.2.

function symmetricBegin(s: Session, name: usize, prologue: usize, prologueLength: u32): i32 {
  memory.copy(hashOf(s), name, HASH_BYTES);
  memory.copy(chainingKeyOf(s), name, HASH_BYTES);
  s.keyed = 0;
  return mixHash(s, prologue, prologueLength);
}

function mixHash(s: Session, data: usize, length: u32): i32 {
  assert(length <= <u32>TEXT_BYTES_MAX);
  memory.copy(text, data, length);
  return mixText(s, length);
}

/** mixHash of what is in `text` already. */
function mixText(s: Session, length: u32): i32 {
  memory.copy(hashed, hashOf(s), HASH_BYTES);
  return sha256(hashed, HASH_BYTES + length, hashOf(s), HASH_BYTES);
}

/** Agrees on a shared secret and mixes it into the key: a token ee, es or se. */
function mixAgreement(s: Session, slot: u32, publicKey: usize): i32 {
  let status = x25519Agree(slot, publicKey, KEY_BYTES, shared, KEY_BYTES);
  if (status >= 0) {
    status = hkdfSha256(chainingKeyOf(s), KEY_BYTES, shared, KEY_BYTES, 0, 0, derived, 2 * KEY_BYTES);
    memory.copy(chainingKeyOf(s), derived, KEY_BYTES);
    memory.copy(handshakeKeyOf(s), derived + KEY_BYTES, KEY_BYTES);
    s.handshakeCounter = 0;
    s.keyed = 1;
  }
  memory.fill(shared, 0, KEY_BYTES);
  memory.fill(derived, 0, 2 * KEY_BYTES);
  return status;
}

function encryptAndHash(s: Session, plain: usize, length: u32, out: usize): i32 {
  assert(length <= <u32>HANDSHAKE_PAYLOAD_BYTES_MAX);
  if (s.keyed == 0) {
    memory.copy(out, plain, length);
    return mixHash(s, plain, length);
  }
  const status = sealText(s, plain, length, text);
  if (status < 0) return status;
  memory.copy(out, text, length + TAG_BYTES);
  return mixText(s, length + TAG_BYTES);
}

/** `length` is the ciphertext's. It is opened from its copy in `text`, so `out` may lie over it. */
function decryptAndHash(s: Session, sealed: usize, length: u32, out: usize): i32 {
  assert(length <= <u32>TEXT_BYTES_MAX);
  memory.copy(text, sealed, length);
  if (s.keyed == 0) {
    memory.copy(out, text, length);
    return mixText(s, length);
  }
  const status = openText(s, text, length, out);
  return status < 0 ? status : mixText(s, length);
}

function sealText(s: Session, plain: usize, length: u32, out: usize): i32 {
  assert(s.keyed != 0);
  const nonce = counterNonce(s.handshakeCounter);
  s.handshakeCounter += 1;
  const key = handshakeKeyOf(s);
  return aeadSeal(key, KEY_BYTES, nonce, NONCE_BYTES, hashOf(s), HASH_BYTES, plain, length, out, length + TAG_BYTES);
}

function openText(s: Session, sealed: usize, length: u32, out: usize): i32 {
  assert(s.keyed != 0 && length >= <u32>TAG_BYTES);
  const nonce = counterNonce(s.handshakeCounter);
  s.handshakeCounter += 1;
  const key = handshakeKeyOf(s);
  return aeadOpen(key, KEY_BYTES, nonce, NONCE_BYTES, hashOf(s), HASH_BYTES, sealed, length, out, length - TAG_BYTES);
}

// Errors.

/** What a peer can cause is told by a reason; what the chip did not do stays the platform's error. */
function peerError(status: i32): i32 {
  if (status == PLATFORM_BAD_TAG) return -REASON_BAD_SEAL;
  if (status == PLATFORM_BAD_KEY) return -REASON_MALFORMED;
  return status;
}

function endOnError(s: Session, status: i32): i32 {
  if (status >= 0) return status;
  sessionEnd(s);
  return peerError(status);
}

/** Counts a refused message of an open session. */
function refuse(s: Session, reason: i32): i32 {
  const status = channelRefuse(s, reason);
  if (s.state == SESSION_NONE) sessionEnd(s);
  return status;
}
