// Sessions, channels and sealing to a key, two of each, as a test sees them. Addresses are the test's own affair.
import {
  handshakeRead,
  handshakeWrite,
  openSealed,
  sealTo,
  Session,
  sessionBegin,
  sessionEnd,
  sessionExport,
  sessionForgetExport,
  sessionHash,
  sessionOpen,
  sessionRemoteStatic,
  sessionSeal,
} from "../../firmware/lib/noise";
import { Channel, channelBegin, channelEnd, channelOpen, channelSeal } from "../../firmware/lib/channel";
import { slotErase, slotGenerate, slotKind, slotPublic } from "../../firmware/platform/imports";

const SESSION_BYTES: usize = offsetof<Session>();
const session0 = changetype<Session>(memory.data(offsetof<Session>(), 8));
const session1 = changetype<Session>(memory.data(offsetof<Session>(), 8));
const channel0 = changetype<Channel>(memory.data(offsetof<Channel>(), 8));
const channel1 = changetype<Channel>(memory.data(offsetof<Channel>(), 8));
const scratch: usize = memory.data(16384, 8);

/** 16,384 bytes where the test may write. */
export function scratchAddress(): usize {
  return scratch;
}
function session(index: u32): Session {
  return index == 0 ? session0 : session1;
}
function channel(index: u32): Channel {
  return index == 0 ? channel0 : channel1;
}

export function begin(i: u32, initiator: u32, prologue: usize, length: u32, staticSlot: u32, ephemeral: u32): i32 {
  return sessionBegin(session(i), initiator != 0, prologue, length, staticSlot, ephemeral);
}
export function write(i: u32, payload: usize, length: u32, out: usize, capacity: u32): i32 {
  return handshakeWrite(session(i), payload, length, out, capacity);
}
export function read(i: u32, message: usize, length: u32, out: usize, capacity: u32): i32 {
  return handshakeRead(session(i), message, length, out, capacity);
}
export function exportSecret(i: u32, info: usize, length: u32, out: usize): i32 {
  return sessionExport(session(i), info, length, out);
}
export function forgetExport(i: u32): void {
  sessionForgetExport(session(i));
}
export function seal(i: u32, plain: usize, length: u32, out: usize, capacity: u32): i32 {
  return sessionSeal(session(i), plain, length, out, capacity);
}
export function open(i: u32, sealed: usize, length: u32, out: usize, capacity: u32): i32 {
  return sessionOpen(session(i), sealed, length, out, capacity);
}
export function end(i: u32): void {
  sessionEnd(session(i));
}
export function hash(i: u32): usize {
  return sessionHash(session(i));
}
export function remoteStatic(i: u32): usize {
  return sessionRemoteStatic(session(i));
}
export function state(i: u32): u32 {
  return session(i).state;
}
export function errors(i: u32): u32 {
  return session(i).errors;
}
export function sessionAddress(i: u32): usize {
  return changetype<usize>(session(i));
}
export function sessionBytes(): usize {
  return SESSION_BYTES;
}

export function seal1(
  remote: usize,
  prologue: usize,
  prologueLength: u32,
  ephemeralSlot: u32,
  plain: usize,
  length: u32,
  out: usize,
  capacity: u32,
): i32 {
  return sealTo(remote, prologue, prologueLength, ephemeralSlot, plain, length, out, capacity);
}
export function open1(
  staticSlot: u32,
  prologue: usize,
  prologueLength: u32,
  sealed: usize,
  length: u32,
  out: usize,
  capacity: u32,
): i32 {
  return openSealed(staticSlot, prologue, prologueLength, sealed, length, out, capacity);
}

export function linkBegin(i: u32, key: usize, initiator: u32): i32 {
  return channelBegin(channel(i), key, initiator != 0);
}
export function linkSeal(i: u32, plain: usize, length: u32, out: usize, capacity: u32): i32 {
  return channelSeal(channel(i), plain, length, out, capacity);
}
export function linkOpen(i: u32, sealed: usize, length: u32, out: usize, capacity: u32): i32 {
  return channelOpen(channel(i), sealed, length, out, capacity);
}
export function linkEnd(i: u32): void {
  channelEnd(channel(i));
}
export function linkState(i: u32): u32 {
  return channel(i).state;
}
export function linkErrors(i: u32): u32 {
  return channel(i).errors;
}
export function linkAddress(i: u32): usize {
  return changetype<usize>(channel(i));
}
export function linkBytes(): usize {
  return offsetof<Channel>();
}

export function generate(slot: u32, kind: u32): i32 {
  return slotGenerate(slot, kind);
}
export function kindOf(slot: u32): i32 {
  return slotKind(slot);
}
export function publicOf(slot: u32, out: usize): i32 {
  return slotPublic(slot, out, 32);
}
export function erase(slot: u32): i32 {
  return slotErase(slot);
}
