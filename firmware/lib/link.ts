/**
 * The link between trusted agent and money module of one device (fig. 13, channels 438 and 440; fig. 16 and 17).
 *
 * Epoch 0 is the pairing key, fresh for each opening from both ends' random bytes. Epoch 1 is the key TA/MM of one
 * payment (fig. 12, steps 534-536 and 552-556), which also proves to each end that the other saw the same two sessions.
 * The body of a KIND_LINK envelope is epoch, sealed message.
 */

import { KEY_BYTES, TAG_BYTES } from "../platform/constants";
import { randomBytes, slotDerive } from "../platform/imports";
import { REASON_MALFORMED, REASON_NOT_PAIRED, REASON_REPEAT, REASON_UNEXPECTED } from "../protocol/reasons";
import { Channel, channelBegin, channelEnd, channelIsRepeat, channelOpen, channelSeal, SESSION_OPEN } from "./channel";
import { wipe } from "./memory";
import { partnerPresent } from "./partner";
import { SLOT_PAIRING } from "./slots";

export const LINK_RANDOM_BYTES: u32 = 32;
/** What a sealed message is longer than its plaintext: epoch and tag. */
export const LINK_EXTRA_BYTES: u32 = 17;

const link = changetype<Channel>(memory.data(offsetof<Channel>(), 8));
/** Epoch 0 after the change to epoch 1: kept only to know the repeat of its last message. */
const before = changetype<Channel>(memory.data(offsetof<Channel>(), 8));

/** "pairing key", the agent's random, the module's. */
const PAIRING = memory.data(75, 8);
const PAIRING_LABEL = memory.data<u8>([0x70, 0x61, 0x69, 0x72, 0x69, 0x6e, 0x67, 0x20, 0x6b, 0x65, 0x79]);
const PAIRING_LABEL_BYTES: u32 = 11;
/** "TA/MM", R(1) XOR R(2), TA/TA hash, MM/MM hash. */
const SESSION = memory.data(101, 8);
const SESSION_LABEL = memory.data<u8>([0x54, 0x41, 0x2f, 0x4d, 0x4d]);
const SESSION_LABEL_BYTES: u32 = 5;
const key = memory.data(32, 8);

let epoch: u32 = 0;
let isAgent: bool = false;

export function linkIsOpen(): bool {
  return link.state == SESSION_OPEN;
}
export function linkEpoch(): u32 {
  return epoch;
}

export function linkEnd(): void {
  channelEnd(link);
  channelEnd(before);
  memory.fill(PAIRING, 0, 75);
  epoch = 0;
}

/** The agent's first step: fresh random bytes, the body of KIND_LINK_OPEN. */
export function linkAsk(): i32 {
  if (!partnerPresent()) return -REASON_NOT_PAIRED;
  linkEnd();
  isAgent = true;
  return randomBytes(PAIRING + PAIRING_LABEL_BYTES, LINK_RANDOM_BYTES);
}

/** The agent's own random bytes, asked for last. */
export function linkAsked(): usize {
  return PAIRING + PAIRING_LABEL_BYTES;
}

/** The agent's second step: the module's random bytes. */
export function linkTakeAnswer(body: usize, length: u32): i32 {
  if (length != LINK_RANDOM_BYTES) return -REASON_MALFORMED;
  const place = linkAnswer();
  if (linkIsOpen()) return memory.compare(place, body, length) == 0 ? -REASON_REPEAT : -REASON_UNEXPECTED;
  memory.copy(place, body, length);
  return pairingKey();
}

/** The module's only step: takes the agent's random bytes; its own are then at `linkAnswer()`. */
export function linkTakeAsk(body: usize, length: u32): i32 {
  if (!partnerPresent()) return -REASON_NOT_PAIRED;
  if (length != LINK_RANDOM_BYTES) return -REASON_MALFORMED;
  if (linkIsOpen() && memory.compare(linkAsked(), body, length) == 0) return -REASON_REPEAT;
  linkEnd();
  isAgent = false;
  memory.copy(linkAsked(), body, length);
  const status = randomBytes(linkAnswer(), LINK_RANDOM_BYTES);
  return status < 0 ? status : pairingKey();
}

/** The module's random bytes. */
export function linkAnswer(): usize {
  return PAIRING + PAIRING_LABEL_BYTES + LINK_RANDOM_BYTES;
}

function pairingKey(): i32 {
  memory.copy(PAIRING, PAIRING_LABEL, PAIRING_LABEL_BYTES);
  let status = slotDerive(SLOT_PAIRING, PAIRING, PAIRING_LABEL_BYTES + 2 * LINK_RANDOM_BYTES, key, KEY_BYTES);
  if (status >= 0) status = channelBegin(link, key, isAgent);
  wipe(key, KEY_BYTES);
  epoch = 0;
  return status < 0 ? status : 0;
}

/** Changes to the key TA/MM. Everything is 32 bytes; the order of the two R does not matter. */
export function linkChangeKey(r1: usize, r2: usize, agentsHash: usize, modulesHash: usize): i32 {
  if (!linkIsOpen() || epoch != 0) return -REASON_UNEXPECTED;
  memory.copy(SESSION, SESSION_LABEL, SESSION_LABEL_BYTES);
  const mixed = SESSION + SESSION_LABEL_BYTES;
  for (let i: usize = 0; i < 32; i += 8) store<u64>(mixed + i, load<u64>(r1 + i) ^ load<u64>(r2 + i));
  memory.copy(mixed + 32, agentsHash, 32);
  memory.copy(mixed + 64, modulesHash, 32);
  memory.copy(changetype<usize>(before), changetype<usize>(link), offsetof<Channel>());
  let status = slotDerive(SLOT_PAIRING, SESSION, SESSION_LABEL_BYTES + 96, key, KEY_BYTES);
  if (status >= 0) status = channelBegin(link, key, isAgent);
  wipe(key, KEY_BYTES);
  wipe(SESSION, 101);
  if (status < 0) {
    linkEnd();
    return status;
  }
  epoch = 1;
  return 0;
}

/** Seals a message; the result is the length of the body of a KIND_LINK envelope. `plain` must not overlap `out`. */
export function linkSeal(plain: usize, length: u32, out: usize, capacity: u32): i32 {
  if (capacity < LINK_EXTRA_BYTES) return -REASON_MALFORMED;
  store<u8>(out, <u8>epoch);
  const sealed = channelSeal(link, plain, length, out + 1, capacity - 1);
  return sealed < 0 ? sealed : sealed + 1;
}

/** Opens the body of a KIND_LINK envelope in place: the plaintext starts at `body` + 1, the result is its length. */
export function linkOpen(body: usize, length: u32): i32 {
  if (length < LINK_EXTRA_BYTES) return -REASON_MALFORMED;
  const told: u32 = load<u8>(body);
  if (told == 0 && epoch == 1 && channelIsRepeat(before, body + 1, length - 1)) return -REASON_REPEAT;
  if (told != epoch) return -REASON_UNEXPECTED;
  return channelOpen(link, body + 1, length - 1, body + 1, length - 1 - TAG_BYTES);
}
