/**
 * Certificates and their chains: root -> security server -> device, one root for each tree (agents, modules).
 *
 * A certificate is a signed object of kind SIGNED_CERTIFICATE over the claims of `../protocol/claims`. A chain is the
 * array [device certificate, security server certificate]; the root's id and key are known to every element.
 *
 * A signature once verified is remembered until power-down, as SHA-256 over the issuer's key and the certificate: the
 * same certificate met again costs a hash and no public-key operation. Only that fact is remembered. Ids, roles and
 * validity are looked at every time.
 */

import { HASH_BYTES, KEY_BYTES } from "../platform/constants";
import { sha256 } from "../platform/imports";
import {
  CLAIM_AGREEMENT_KEY,
  CLAIM_CONFIRMATION,
  CLAIM_EXPIRY,
  CLAIM_ISSUER,
  CLAIM_NAME,
  CLAIM_NOT_BEFORE,
  CLAIM_ROLE,
  CLAIM_SUBJECT,
  CONFIRMATION_KEY,
  KEY_CURVE,
  KEY_CURVE_ED25519,
  KEY_TYPE,
  KEY_TYPE_OCTET_PAIR,
  KEY_X,
} from "../protocol/claims";
import {
  ROLE_AGENT_SECURITY_SERVER,
  ROLE_CUSTOMER,
  ROLE_GENERATOR,
  ROLE_MINT,
  ROLE_MODULE_SECURITY_SERVER,
  ROLE_TRANSACTION,
  SIGNED_CERTIFICATE,
  TREE_AGENTS,
  TREE_MODULES,
} from "../protocol/kinds";
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_NAME_BYTES_MAX,
  CERTIFICATES_REMEMBERED,
  CHAIN_BYTES_MAX,
  ID_BYTES,
  SECONDS_BITS,
} from "../protocol/limits";
import {
  REASON_CERTIFICATE_EXPIRED,
  REASON_CERTIFICATE_NOT_YET_VALID,
  REASON_FOREIGN_CERTIFICATE,
  REASON_MALFORMED,
  REASON_TOO_LONG,
  REASON_WRONG_ROLE,
} from "../protocol/reasons";
import { Reader } from "./cbor";
import { cosePayload, cosePayloadLength, coseVerify } from "./cose";
import { hexRead } from "./hex";
import { equal } from "./memory";

/**
 * What a certificate says, copied out of it: it does not depend on the buffer it was read from. Make one by
 * `changetype<Certificate>(memory.data(offsetof<Certificate>(), 8))`.
 */
@unmanaged
export class Certificate {
  notBefore: u64;
  /** From this second on the certificate is void. */
  expiry: u64;
  role: i32;
  nameLength: u32;
  private id0: u64;
  private id1: u64;
  private issuer0: u64;
  private issuer1: u64;
  private signatureKey0: u64;
  private signatureKey1: u64;
  private signatureKey2: u64;
  private signatureKey3: u64;
  private agreementKey0: u64;
  private agreementKey1: u64;
  private agreementKey2: u64;
  private agreementKey3: u64;
  private name0: u64;
  private name1: u64;
  private name2: u64;
  private name3: u64;

  /** Address of the subject's 16 bytes. */
  get id(): usize {
    return changetype<usize>(this) + offsetof<Certificate>("id0");
  }

  /** Address of the issuer's 16 bytes. */
  get issuer(): usize {
    return changetype<usize>(this) + offsetof<Certificate>("issuer0");
  }

  /** Address of the Ed25519 public key. */
  get signatureKey(): usize {
    return changetype<usize>(this) + offsetof<Certificate>("signatureKey0");
  }

  /** Address of the X25519 public key. */
  get agreementKey(): usize {
    return changetype<usize>(this) + offsetof<Certificate>("agreementKey0");
  }

  /** Address of `nameLength` bytes of UTF-8. */
  get name(): usize {
    return changetype<usize>(this) + offsetof<Certificate>("name0");
  }
}

const reader = changetype<Reader>(memory.data(offsetof<Reader>(), 4));
const server = changetype<Certificate>(memory.data(offsetof<Certificate>(), 8));

const REMEMBERED: usize = memory.data(CERTIFICATES_REMEMBERED * HASH_BYTES, 8);
/** An issuer's key and a certificate, to be hashed. */
const HASHED: usize = memory.data(KEY_BYTES + CERTIFICATE_BYTES_MAX, 8);
const HASH: usize = memory.data(HASH_BYTES, 8);

let remembered: u32 = 0;
let verificationsDone: u32 = 0;

/** Public-key operations that certificates have cost since power-up. */
export function verifications(): u32 {
  return verificationsDone;
}

/** Reads a certificate strictly; its signature is not looked at. 0, -REASON_TOO_LONG or -REASON_MALFORMED. */
export function certificateRead(certificate: usize, length: u32, into: Certificate): i32 {
  forget(into);
  if (length > <u32>CERTIFICATE_BYTES_MAX) return -REASON_TOO_LONG;
  const claims = cosePayload(certificate, length);
  if (claims == 0) return -REASON_MALFORMED;
  reader.begin(claims, cosePayloadLength());
  readClaims(into);
  const ordered = into.notBefore < into.expiry && !equal(into.id, into.issuer, ID_BYTES);
  if (reader.finish() == 0 && ordered) return 0;
  forget(into);
  return -REASON_MALFORMED;
}

/**
 * Verifies a chain [device, security server] up to the root of a tree, and leaves what the device's certificate says
 * in `into`; after an error `into` is all zeros. `now` is the time for which both must be valid, 0 for "at no
 * particular time".
 */
export function chainVerify(
  chain: usize,
  length: u32,
  rootId: usize,
  rootKey: usize,
  tree: i32,
  now: u64,
  into: Certificate,
): i32 {
  forget(into);
  if (length > <u32>CHAIN_BYTES_MAX) return -REASON_TOO_LONG;
  reader.begin(chain, length);
  reader.arrayOf(2);
  const device = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  const deviceLength = reader.length;
  const issuer = reader.bytes(1, CERTIFICATE_BYTES_MAX);
  const issuerLength = reader.length;
  const result = reader.finish();
  if (result < 0) return result;
  return certificateVerify(device, deviceLength, issuer, issuerLength, rootId, rootKey, tree, now, into);
}

/** As `chainVerify()`, for a device's certificate and its security server's that lie in different places. */
export function certificateVerify(
  certificate: usize,
  length: u32,
  issuer: usize,
  issuerLength: u32,
  rootId: usize,
  rootKey: usize,
  tree: i32,
  now: u64,
  into: Certificate,
): i32 {
  forget(into);
  let result = issuerVerify(issuer, issuerLength, rootId, rootKey, tree, now, server);
  if (result < 0) return result;
  result = certificateRead(certificate, length, into);
  if (result == 0) result = placeVerify(into, server.id, isDeviceRole(into.role, tree), now);
  // A device that bore the root's id would be taken for it wherever ids are compared.
  if (result == 0 && equal(into.id, rootId, ID_BYTES)) result = -REASON_FOREIGN_CERTIFICATE;
  if (result == 0) result = signatureVerifyOnce(certificate, length, server.signatureKey);
  if (result < 0) forget(into);
  return result;
}

/** Verifies a security server's certificate under the root of a tree. */
export function issuerVerify(
  certificate: usize,
  length: u32,
  rootId: usize,
  rootKey: usize,
  tree: i32,
  now: u64,
  into: Certificate,
): i32 {
  assert(tree == TREE_AGENTS || tree == TREE_MODULES);
  let result = certificateRead(certificate, length, into);
  const role = tree == TREE_AGENTS ? ROLE_AGENT_SECURITY_SERVER : ROLE_MODULE_SECURITY_SERVER;
  if (result == 0) result = placeVerify(into, rootId, into.role == role, now);
  if (result == 0) result = signatureVerifyOnce(certificate, length, rootKey);
  if (result < 0) forget(into);
  return result;
}

/** True for the roles that a security server of this tree may certify. */
export function isDeviceRole(role: i32, tree: i32): bool {
  if (tree == TREE_AGENTS) return role >= ROLE_CUSTOMER && role <= ROLE_MINT;
  return role >= ROLE_TRANSACTION && role <= ROLE_GENERATOR;
}

/** What a place in a chain demands beside the signature. */
function placeVerify(certificate: Certificate, issuerId: usize, roleFits: bool, now: u64): i32 {
  if (!equal(certificate.issuer, issuerId, ID_BYTES)) return -REASON_FOREIGN_CERTIFICATE;
  if (!roleFits) return -REASON_WRONG_ROLE;
  if (now == 0) return 0;
  if (now < certificate.notBefore) return -REASON_CERTIFICATE_NOT_YET_VALID;
  if (now >= certificate.expiry) return -REASON_CERTIFICATE_EXPIRED;
  return 0;
}

/** Verifies the signature on a certificate unless the same was found good before. */
function signatureVerifyOnce(certificate: usize, length: u32, issuerKey: usize): i32 {
  assert(length <= <u32>CERTIFICATE_BYTES_MAX);
  memory.copy(HASHED, issuerKey, KEY_BYTES);
  memory.copy(HASHED + KEY_BYTES, certificate, length);
  const hashed = sha256(HASHED, KEY_BYTES + length, HASH, HASH_BYTES);
  if (hashed < 0) return hashed;
  for (let i: u32 = 0; i < remembered; i++) {
    if (!equal(REMEMBERED + i * HASH_BYTES, HASH, HASH_BYTES)) continue;
    rememberInPlaceOf(i);
    return 0;
  }
  verificationsDone += 1;
  const result = coseVerify(SIGNED_CERTIFICATE, certificate, length, issuerKey);
  if (result == 0) remember();
  return result;
}

/** Takes HASH among the remembered ones, in place of the one that was used least lately when there is no room. */
function remember(): void {
  if (remembered < <u32>CERTIFICATES_REMEMBERED) remembered += 1;
  rememberInPlaceOf(remembered - 1);
}

/** Puts HASH first; those that were before place `i` move up by one. What is used stays, strangers pass through. */
function rememberInPlaceOf(i: u32): void {
  memory.copy(REMEMBERED + HASH_BYTES, REMEMBERED, i * HASH_BYTES);
  memory.copy(REMEMBERED, HASH, HASH_BYTES);
}

function forget(certificate: Certificate): void {
  memory.fill(changetype<usize>(certificate), 0, offsetof<Certificate>());
}

/** Reads the claims in their order; whether they end there is for the caller to ask. */
function readClaims(into: Certificate): void {
  const entries = reader.map();
  if (entries != 7 && entries != 8) return reader.fail(REASON_MALFORMED);
  reader.keyIs(CLAIM_ISSUER);
  readId(into.issuer);
  reader.keyIs(CLAIM_SUBJECT);
  readId(into.id);
  reader.keyIs(CLAIM_EXPIRY);
  into.expiry = readSeconds();
  reader.keyIs(CLAIM_NOT_BEFORE);
  into.notBefore = readSeconds();
  reader.keyIs(CLAIM_CONFIRMATION);
  readSignatureKey(into.signatureKey);
  reader.keyIs(CLAIM_ROLE);
  const role = reader.uint();
  if (role > 0xff) return reader.fail(REASON_MALFORMED);
  into.role = <i32>role;
  reader.keyIs(CLAIM_AGREEMENT_KEY);
  memory.copy(into.agreementKey, reader.fixed(KEY_BYTES), KEY_BYTES);
  if (entries == 8) readName(into);
}

/** An identifier, written as twice as many hexadecimal digits. */
function readId(into: usize): void {
  const digits = reader.text(2 * ID_BYTES);
  if (reader.length != 2 * ID_BYTES || !hexRead(digits, into, ID_BYTES)) reader.fail(REASON_MALFORMED);
}

function readSeconds(): u64 {
  const seconds = reader.uint();
  if (seconds >> SECONDS_BITS != 0) reader.fail(REASON_MALFORMED);
  return seconds;
}

/** A confirmation claim with one COSE_Key: octet pair, Ed25519, x. */
function readSignatureKey(into: usize): void {
  reader.mapOf(1);
  reader.keyIs(CONFIRMATION_KEY);
  reader.mapOf(3);
  reader.keyIs(KEY_TYPE);
  if (reader.uint() != KEY_TYPE_OCTET_PAIR) return reader.fail(REASON_MALFORMED);
  reader.keyIs(KEY_CURVE);
  if (reader.uint() != KEY_CURVE_ED25519) return reader.fail(REASON_MALFORMED);
  reader.keyIs(KEY_X);
  memory.copy(into, reader.fixed(KEY_BYTES), KEY_BYTES);
}

function readName(into: Certificate): void {
  reader.keyIs(CLAIM_NAME);
  const name = reader.text(CERTIFICATE_NAME_BYTES_MAX);
  if (reader.length == 0) return reader.fail(REASON_MALFORMED);
  memory.copy(into.name, name, reader.length);
  into.nameLength = reader.length;
}
