/**
 * Who this element is, and how far its life has come: subject id, role, certificate chain, the two roots, life cycle.
 * Records are read into memory at boot and written through.
 *
 *     life      [ version | state ]
 *     identity  [ version | role | id 16 ]
 *     chain     [ version | CBOR chain ]
 *     roots     [ version | agents' id 16, key 32 | modules' id 16, key 32 ]
 */

import { ID_BYTES, CHAIN_BYTES_MAX } from "../protocol/limits";
import { KEY_BYTES, KEY_KIND_EMPTY, SLOTS_PERSISTENT } from "../platform/constants";
import { slotErase, slotKind } from "../platform/imports";
import { LIFE_BLANK, LIFE_TERMINATED } from "../protocol/apdu";
import { REASON_NOT_PERMITTED, REASON_STORE_FAILURE } from "../protocol/reasons";
import { TREE_AGENTS, TREE_MODULES } from "../protocol/kinds";
import { RECORD_CHAIN, RECORD_IDENTITY, RECORD_LIFE, RECORD_ROOTS, RECORD_VERSION } from "./records";
import { SLOT_FORMATTED, SLOT_STORE } from "./slots";
import { storeBegin, storeCommit, storePut, storeRead } from "./store";

const ROOT_BYTES: u32 = 48;
const IDENTITY_BYTES: u32 = 18;
const ROOTS_BYTES: u32 = 97;

const life = memory.data(8, 8);
const identity = memory.data(24, 8);
const roots = memory.data(104, 8);
const chain = memory.data(664, 8);

let chainLength: u32 = 0;

/** Reads what the store knows of this element; a blank one knows nothing. */
export function identityLoad(): i32 {
  memory.fill(life, 0, 8);
  memory.fill(identity, 0, 24);
  memory.fill(roots, 0, 104);
  chainLength = 0;
  let status = readRecord(RECORD_LIFE, life, 2);
  if (status >= 0) status = readRecord(RECORD_IDENTITY, identity, IDENTITY_BYTES);
  if (status >= 0) status = readRecord(RECORD_ROOTS, roots, ROOTS_BYTES);
  if (status < 0) return status;
  const length = storeRead(RECORD_CHAIN, 0, chain, CHAIN_BYTES_MAX + 1);
  if (length > 1) chainLength = length - 1;
  return 0;
}

/** A record that is absent leaves zeros; one of another length or version is not ours. */
function readRecord(key: u32, to: usize, length: u32): i32 {
  const got = storeRead(key, 0, to, length);
  if (got < 0) return 0;
  if (<u32>got != length || load<u8>(to) != RECORD_VERSION) return -REASON_STORE_FAILURE;
  return 0;
}

export function lifeState(): i32 {
  return load<u8>(life, 1);
}
export function elementRole(): i32 {
  return load<u8>(identity, 1);
}
/** Address of the 16 bytes of the subject id. */
export function elementId(): usize {
  return identity + 2;
}
/** Address of the CBOR chain, without version. */
export function elementChain(): usize {
  return chain + 1;
}
export function elementChainLength(): u32 {
  return chainLength;
}
export function elementTree(): i32 {
  return elementRole() >> 4;
}

export function rootId(tree: i32): usize {
  assert(tree == TREE_AGENTS || tree == TREE_MODULES);
  return roots + 1 + <u32>tree * ROOT_BYTES;
}

export function rootKey(tree: i32): usize {
  return rootId(tree) + ID_BYTES;
}

/** Moves the life cycle up; it never goes down. */
export function lifeAdvance(state: i32): i32 {
  if (state <= lifeState()) return -REASON_NOT_PERMITTED;
  store<u8>(life, RECORD_VERSION);
  store<u8>(life, <u8>state, 1);
  return writeRecord(RECORD_LIFE, life, 2);
}

export function identitySet(role: i32, id: usize): i32 {
  store<u8>(identity, RECORD_VERSION);
  store<u8>(identity, <u8>role, 1);
  memory.copy(identity + 2, id, ID_BYTES);
  return writeRecord(RECORD_IDENTITY, identity, IDENTITY_BYTES);
}

export function rootsSet(agentsId: usize, agentsKey: usize, modulesId: usize, modulesKey: usize): i32 {
  store<u8>(roots, RECORD_VERSION);
  memory.copy(rootId(TREE_AGENTS), agentsId, ID_BYTES);
  memory.copy(rootKey(TREE_AGENTS), agentsKey, KEY_BYTES);
  memory.copy(rootId(TREE_MODULES), modulesId, ID_BYTES);
  memory.copy(rootKey(TREE_MODULES), modulesKey, KEY_BYTES);
  return writeRecord(RECORD_ROOTS, roots, ROOTS_BYTES);
}

export function chainSet(bytes: usize, length: u32): i32 {
  assert(length <= <u32>CHAIN_BYTES_MAX);
  store<u8>(chain, RECORD_VERSION);
  memory.copy(chain + 1, bytes, length);
  chainLength = length;
  return writeRecord(RECORD_CHAIN, chain, length + 1);
}

/** One record in a transaction of its own. What memory says and what the store says part only when this fails: reload. */
export function writeRecord(key: u32, value: usize, length: u32): i32 {
  let status = storeBegin(length, 1);
  if (status >= 0) status = storePut(key, value, length);
  if (status >= 0) status = storeCommit();
  return status;
}

/** Wipes every key of the chip. What the store says then is of no use to anyone. */
export function keysWipe(): i32 {
  const status = secretsWipe();
  const formatted = slotErase(SLOT_FORMATTED);
  const kept = slotErase(SLOT_STORE);
  return status < 0 ? status : formatted < 0 ? formatted : kept;
}

/** Wipes every key but the store's, which a terminated element needs to know that it is one. */
export function secretsWipe(): i32 {
  let worst = 0;
  for (let slot: u32 = 0; slot < <u32>SLOTS_PERSISTENT; slot++) {
    if (slot == SLOT_STORE || slot == SLOT_FORMATTED || slotKind(slot) == KEY_KIND_EMPTY) continue;
    const status = slotErase(slot);
    if (status < 0) worst = status;
  }
  return worst;
}

export function isTerminated(): bool {
  return lifeState() == LIFE_TERMINATED;
}
export function isBlank(): bool {
  return lifeState() == LIFE_BLANK;
}
