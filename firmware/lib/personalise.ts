/**
 * Personalisation: from a blank chip to one with an identity. It follows GlobalPlatform's life cycle: one way only, under
 * a key of its own, and never under a key that everybody knows.
 *
 * Every function answers a status word; response data goes to IO, its length to `responseLength`.
 */

import {
  HASH_BYTES,
  KEY_BYTES,
  KEY_KIND_ED25519,
  KEY_KIND_SECRET,
  KEY_KIND_X25519,
  PLATFORM_BAD_KEY,
} from "../platform/constants";
import {
  hmacSha256,
  randomBytes,
  slotDerive,
  slotGenerate,
  slotPublic,
  slotPut,
  x25519Agree,
} from "../platform/imports";
import {
  LIFE_BLANK,
  LIFE_INITIALISED,
  LIFE_OPERATIONAL,
  LIFE_PERSONALISED,
  LIFE_TERMINATED,
  STORE_DATA_CHAIN,
  STORE_DATA_PIN,
  STORE_DATA_PUK,
  STORE_DATA_ROOTS,
  SW_CONDITIONS,
  SW_FUNCTION_UNSUPPORTED,
  SW_MEMORY_FAILURE,
  SW_OK,
  SW_SECURITY_STATUS,
  SW_WRONG_DATA,
  SW_WRONG_LENGTH,
} from "../protocol/apdu";
import { SIGNED_REQUEST } from "../protocol/kinds";
import { CHAIN_BYTES_MAX, ENVELOPE_BYTES_MAX, ID_BYTES, IO_BYTES } from "../protocol/limits";
import { Reader, Writer } from "./cbor";
import { Certificate, chainVerify, isDeviceRole } from "./certificate";
import { coseSign } from "./cose";
import {
  chainSet,
  elementChain,
  elementChainLength,
  elementId,
  elementRole,
  elementTree,
  identitySet,
  lifeAdvance,
  lifeState,
  rootId,
  rootKey,
  rootsSet,
  writeRecord,
  secretsWipe,
} from "./identity";
import { IO } from "./io";
import { equal, equalConstantTime, wipe } from "./memory";
import { pinSet, pinTries } from "./pin";
import { RECORD_PARAMETERS, RECORD_PIN, RECORD_PUK, RECORD_VERSION } from "./records";
import { storeLength } from "./store";
import { SLOT_AGREEMENT, SLOT_LOCK, SLOT_PERSONALISATION, SLOT_SIGNATURE } from "./slots";

/** Bytes of response data in IO. */
export let responseLength: u32 = 0;

/** "tallystick personalisation", then the challenge. */
const OPENING = memory.data(58, 8);
const OPENING_LABEL = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x70, 0x65, 0x72, 0x73, 0x6f, 0x6e, 0x61, 0x6c,
  0x69, 0x73, 0x61, 0x74, 0x69, 0x6f, 0x6e,
]);
const OPENING_LABEL_BYTES: u32 = 26;
/** "tallystick possession", then both public keys and the id. */
const POSSESSION = memory.data(101, 8);
const POSSESSION_LABEL = memory.data<u8>([
  0x74, 0x61, 0x6c, 0x6c, 0x79, 0x73, 0x74, 0x69, 0x63, 0x6b, 0x20, 0x70, 0x6f, 0x73, 0x73, 0x65, 0x73, 0x73, 0x69,
  0x6f, 0x6e,
]);
const POSSESSION_LABEL_BYTES: u32 = 21;
const POSSESSION_BYTES: u32 = 101;
const REQUEST_BYTES: u32 = 256;

/** Parameters of an applet, STORE DATA. */
export const PARAMETERS_BYTES_MAX: u32 = 63;

const parameters = memory.data(64, 8);
const secret = memory.data(32, 8);
const tag = memory.data(32, 8);
/** In the far end of IO: it is signed into its start. */
const request: usize = IO + IO_BYTES - REQUEST_BYTES;
const writer = changetype<Writer>(memory.data(offsetof<Writer>(), 8));
const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const own = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

let challenged: bool = false;
let open: bool = false;

/** After power-up. */
export function personalisationReset(): void {
  challenged = false;
  open = false;
  responseLength = 0;
}

export function personalisationOpen(): bool {
  return open;
}

export function responseNone(): void {
  responseLength = 0;
}

export function responseSet(length: u32): void {
  responseLength = length;
}

/** PUT KEY on a blank chip. */
export function putKey(data: usize, length: u32): i32 {
  if (lifeState() != LIFE_BLANK) return SW_CONDITIONS;
  if (length != <u32>KEY_BYTES) return SW_WRONG_LENGTH;
  if (isWellKnown(data)) return SW_WRONG_DATA;
  const status = slotPut(SLOT_PERSONALISATION, data, KEY_BYTES);
  wipe(data, KEY_BYTES);
  if (status < 0) return SW_MEMORY_FAILURE;
  return lifeAdvance(LIFE_INITIALISED) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

/** Keys that anybody would try first: all bytes alike, or rising by one within each half, as default keys do. */
function isWellKnown(key: usize): bool {
  let alike = true;
  let rising = true;
  for (let i: u32 = 1; i < <u32>KEY_BYTES; i++) {
    const step = <u8>(load<u8>(key + i) - load<u8>(key + i - 1));
    if (step != 0) alike = false;
    if (step != 1 && i != 16) rising = false;
  }
  return alike || rising;
}

/** GET CHALLENGE. */
export function challenge(): i32 {
  memory.copy(OPENING, OPENING_LABEL, OPENING_LABEL_BYTES);
  if (randomBytes(OPENING + OPENING_LABEL_BYTES, KEY_BYTES) < 0) return SW_MEMORY_FAILURE;
  memory.copy(IO, OPENING + OPENING_LABEL_BYTES, KEY_BYTES);
  responseLength = KEY_BYTES;
  challenged = true;
  return SW_OK;
}

/** EXTERNAL AUTHENTICATE: opens personalisation until power-off. A challenge is good for one try. */
export function externalAuthenticate(data: usize, length: u32): i32 {
  open = false;
  const state = lifeState();
  if (state == LIFE_BLANK || state >= LIFE_OPERATIONAL || !challenged) return SW_CONDITIONS;
  if (length != <u32>HASH_BYTES) return SW_WRONG_LENGTH;
  challenged = false;
  const derived = slotDerive(SLOT_PERSONALISATION, OPENING, OPENING_LABEL_BYTES + KEY_BYTES, tag, HASH_BYTES);
  if (derived < 0) return SW_MEMORY_FAILURE;
  open = equalConstantTime(tag, data, HASH_BYTES);
  wipe(tag, HASH_BYTES);
  return open ? SW_OK : SW_SECURITY_STATUS;
}

/** GENERATE ASYMMETRIC KEY PAIR: makes all keys of this element and answers a certificate request. */
export function generateKeys(data: usize, length: u32, tree: i32): i32 {
  if (!open) return SW_SECURITY_STATUS;
  if (lifeState() != LIFE_INITIALISED) return SW_CONDITIONS;
  if (length != ID_BYTES + 1 + KEY_BYTES) return SW_WRONG_LENGTH;
  const role: i32 = load<u8>(data, ID_BYTES);
  if (!isDeviceRole(role, tree)) return SW_FUNCTION_UNSUPPORTED;
  let status = slotGenerate(SLOT_SIGNATURE, KEY_KIND_ED25519);
  if (status >= 0) status = slotGenerate(SLOT_AGREEMENT, KEY_KIND_X25519);
  if (status >= 0) status = slotGenerate(SLOT_LOCK, KEY_KIND_SECRET);
  if (status >= 0) status = identitySet(role, data);
  if (status >= 0) status = certificateRequest(data + ID_BYTES + 1);
  // The issuer's key may be one that nobody can agree with.
  if (status == PLATFORM_BAD_KEY) return SW_WRONG_DATA;
  if (status < 0) return SW_MEMORY_FAILURE;
  responseLength = <u32>status;
  return SW_OK;
}

/** Signed object over [1, id, role, Ed25519 key, X25519 key, issuer's X25519 key, proof], into IO. */
function certificateRequest(issuerKey: usize): i32 {
  memory.copy(POSSESSION, POSSESSION_LABEL, POSSESSION_LABEL_BYTES);
  const signatureKey = POSSESSION + POSSESSION_LABEL_BYTES;
  const agreementKey = signatureKey + KEY_BYTES;
  memory.copy(agreementKey + KEY_BYTES, elementId(), ID_BYTES);
  let status = slotPublic(SLOT_SIGNATURE, signatureKey, KEY_BYTES);
  if (status >= 0) status = slotPublic(SLOT_AGREEMENT, agreementKey, KEY_BYTES);
  if (status >= 0) status = x25519Agree(SLOT_AGREEMENT, issuerKey, KEY_BYTES, secret, KEY_BYTES);
  if (status >= 0) status = hmacSha256(secret, KEY_BYTES, POSSESSION, POSSESSION_BYTES, tag, HASH_BYTES);
  wipe(secret, KEY_BYTES);
  if (status < 0) return status;
  writer.begin(request, REQUEST_BYTES);
  writer.array(7);
  writer.uint(1);
  writer.bytes(elementId(), ID_BYTES);
  writer.uint(elementRole());
  writer.bytes(signatureKey, KEY_BYTES);
  writer.bytes(agreementKey, KEY_BYTES);
  writer.bytes(issuerKey, KEY_BYTES);
  writer.bytes(tag, HASH_BYTES);
  const length = writer.finish();
  return length < 0 ? length : coseSign(SIGNED_REQUEST, SLOT_SIGNATURE, request, length, IO, <u32>(request - IO));
}

/** STORE DATA is for an element that is being personalised. A status word. */
export function mayStoreData(): i32 {
  if (!open) return SW_SECURITY_STATUS;
  return lifeState() == LIFE_INITIALISED ? SW_OK : SW_CONDITIONS;
}

/** STORE DATA of what every applet has; the applet itself takes its parameters. */
export function storeData(what: i32, data: usize, length: u32): i32 {
  const may = mayStoreData();
  if (may != SW_OK) return may;
  switch (what) {
    case STORE_DATA_ROOTS:
      return storeRoots(data, length);
    case STORE_DATA_CHAIN:
      return storeChain(data, length);
    case STORE_DATA_PIN:
      return pinSet(RECORD_PIN, data, length);
    case STORE_DATA_PUK:
      return pinSet(RECORD_PUK, data, length);
    default:
      return SW_WRONG_DATA;
  }
}

function storeRoots(data: usize, length: u32): i32 {
  reader.begin(data, length);
  reader.arrayOf(4);
  const agentsId = reader.fixed(ID_BYTES);
  const agentsKey = reader.fixed(KEY_BYTES);
  const modulesId = reader.fixed(ID_BYTES);
  const modulesKey = reader.fixed(KEY_BYTES);
  if (reader.finish() < 0) return SW_WRONG_DATA;
  return rootsSet(agentsId, agentsKey, modulesId, modulesKey) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

/** The chain must be this element's: id, role and keys, up to the root of its tree. */
function storeChain(data: usize, length: u32): i32 {
  if (elementRole() == 0) return SW_CONDITIONS;
  if (!chainIsOwn(data, length)) return SW_WRONG_DATA;
  return chainSet(data, length) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

function chainIsOwn(data: usize, length: u32): bool {
  const tree = elementTree();
  if (length > <u32>CHAIN_BYTES_MAX) return false;
  if (chainVerify(data, length, rootId(tree), rootKey(tree), tree, 0, own) < 0) return false;
  if (own.role != elementRole() || !equal(own.id, elementId(), ID_BYTES)) return false;
  if (slotPublic(SLOT_SIGNATURE, tag, KEY_BYTES) < 0 || !equal(tag, own.signatureKey, KEY_BYTES)) return false;
  return slotPublic(SLOT_AGREEMENT, tag, KEY_BYTES) >= 0 && equal(tag, own.agreementKey, KEY_BYTES);
}

/** STORE DATA, parameters: what the applet has found well-formed. A status word. */
export function parametersPut(bytes: usize, length: u32): i32 {
  assert(length <= PARAMETERS_BYTES_MAX);
  store<u8>(parameters, RECORD_VERSION);
  memory.copy(parameters + 1, bytes, length);
  return writeRecord(RECORD_PARAMETERS, parameters, length + 1) < 0 ? SW_MEMORY_FAILURE : SW_OK;
}

/** SET STATUS: upwards only; terminated wipes the keys. */
export function setStatus(state: i32): i32 {
  if (!open) return SW_SECURITY_STATUS;
  if (state <= lifeState()) return SW_CONDITIONS;
  if (state == LIFE_PERSONALISED) {
    if (elementChainLength() == 0 || pinTries(RECORD_PIN) < 0 || pinTries(RECORD_PUK) < 0) return SW_CONDITIONS;
    if (storeLength(RECORD_PARAMETERS) < 0) return SW_CONDITIONS;
    // Keys or roots may have been made anew after the chain was stored.
    if (!chainIsOwn(elementChain(), elementChainLength())) return SW_CONDITIONS;
  } else if (state == LIFE_OPERATIONAL) {
    if (lifeState() != LIFE_PERSONALISED) return SW_CONDITIONS;
    open = false;
  } else if (state != LIFE_TERMINATED) {
    return SW_WRONG_DATA;
  }
  let status = lifeAdvance(state);
  // Terminated first, so that a cut in between is noticed at the next power-up, which wipes the rest.
  if (status >= 0 && state == LIFE_TERMINATED) {
    open = false;
    status = secretsWipe();
  }
  return status < 0 ? SW_MEMORY_FAILURE : SW_OK;
}
