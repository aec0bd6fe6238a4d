/**
 * Certificates and their chains: root -> security server -> device, one root for each tree (agents, modules). A
 * certificate is a CWT (RFC 8392) in a signed object of kind SIGNED_CERTIFICATE; a chain is the array
 * [device certificate, security server certificate]. The rules are those of `firmware/lib/certificate.ts`.
 */

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
} from "../../firmware/protocol/claims.js";
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
} from "../../firmware/protocol/kinds.js";
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_NAME_BYTES_MAX,
  CHAIN_BYTES_MAX,
  ID_BYTES,
  SECONDS_BITS,
} from "../../firmware/protocol/limits.js";
import {
  REASON_CERTIFICATE_EXPIRED,
  REASON_CERTIFICATE_NOT_YET_VALID,
  REASON_FOREIGN_CERTIFICATE,
  REASON_TOO_LONG,
  REASON_WRONG_ROLE,
} from "../../firmware/protocol/reasons.js";
import { ed25519Verify } from "../crypto.js";
import { assertBytes, assertInteger, equalBytes, fromHex, toHex } from "./bytes.js";
import { type CborValue, decode, encode } from "./cbor.js";
import { payloadOf, sign1, verify1 } from "./cose.js";
import { CodecError } from "./errors.js";
import { asMap, Fields } from "./read.js";
import type { Signer, Verifier } from "./signer.js";

const KEY_BYTES = 32;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;
const ROLE_MAX = 255;

export interface Certificate {
  /** Subject, 16 bytes. */
  readonly id: Uint8Array;
  /** Issuer, 16 bytes. */
  readonly issuer: Uint8Array;
  /** One of the roles of `firmware/protocol/kinds.ts`. */
  readonly role: number;
  /** First second of validity, since 1970. */
  readonly notBefore: number;
  /** First second at which the certificate is void. */
  readonly expiry: number;
  /** Ed25519 public key. */
  readonly signatureKey: Uint8Array;
  /** X25519 public key. */
  readonly agreementKey: Uint8Array;
  readonly name?: string;
}

/** What every element knows about the top of a tree. */
export interface Root {
  readonly tree: number;
  readonly id: Uint8Array;
  /** Ed25519 public key. */
  readonly publicKey: Uint8Array;
}

export interface VerifiedChain {
  readonly device: Certificate;
  readonly server: Certificate;
}

/** Issues a certificate. `signer` is the issuer's: a root for a security server, a security server for a device. */
export function issueCertificate(certificate: Certificate, signer: Signer): Uint8Array {
  const bytes = sign1(SIGNED_CERTIFICATE, encode(claimsOf(certificate)), signer);
  if (bytes.length > CERTIFICATE_BYTES_MAX) throw new RangeError(`certificate: ${bytes.length} bytes are too many`);
  return bytes;
}

/** Reads a certificate strictly; its signature is not looked at. */
export function readCertificate(bytes: Uint8Array): Certificate {
  assertBytes(bytes, "certificate");
  if (bytes.length > CERTIFICATE_BYTES_MAX) {
    throw new CodecError(`certificate: ${bytes.length} bytes are too many`, REASON_TOO_LONG);
  }
  const claims = asMap(decode(payloadOf(bytes)), "certificate");
  const certificate = readClaims(claims);
  if (certificate.notBefore >= certificate.expiry) throw new CodecError("certificate: ends before it begins");
  if (equalBytes(certificate.id, certificate.issuer)) throw new CodecError("certificate: issued by its own subject");
  return certificate;
}

/** A chain of a device's certificate and its security server's. */
export function encodeChain(device: Uint8Array, server: Uint8Array): Uint8Array {
  assertBytes(device, "device");
  assertBytes(server, "server");
  return encode([device, server]);
}

export function decodeChain(chain: Uint8Array): { device: Uint8Array; server: Uint8Array } {
  assertBytes(chain, "chain");
  if (chain.length > CHAIN_BYTES_MAX)
    throw new CodecError(`chain: ${chain.length} bytes are too many`, REASON_TOO_LONG);
  const fields = Fields.decode(chain, "chain", 2);
  const device = fields.bytes("device certificate", 1, CERTIFICATE_BYTES_MAX);
  return { device, server: fields.bytes("security server certificate", 1, CERTIFICATE_BYTES_MAX) };
}

/**
 * Verifies a chain up to a root. `now` is the second for which both certificates must be valid, or undefined for "at
 * no particular time". CodecError, with the reason that an element would give, when it does not hold.
 */
export function verifyChain(
  chain: Uint8Array,
  root: Root,
  now: number | undefined,
  verifier: Verifier = ed25519Verify,
): VerifiedChain {
  const { device, server } = decodeChain(chain);
  return verifyCertificate(device, server, root, now, verifier);
}

/** As `verifyChain()`, for a device's certificate and its security server's that came apart. */
export function verifyCertificate(
  device: Uint8Array,
  server: Uint8Array,
  root: Root,
  now: number | undefined,
  verifier: Verifier = ed25519Verify,
): VerifiedChain {
  const issuer = verifyIssuer(server, root, now, verifier);
  const certificate = readCertificate(device);
  verifyPlace(certificate, issuer.id, isDeviceRole(certificate.role, root.tree), now);
  if (equalBytes(certificate.id, root.id)) throw foreign("bears the id of the root");
  verify1(SIGNED_CERTIFICATE, device, issuer.signatureKey, verifier);
  return { device: certificate, server: issuer };
}

/** Verifies a security server's certificate under the root of its tree. */
export function verifyIssuer(
  server: Uint8Array,
  root: Root,
  now: number | undefined,
  verifier: Verifier = ed25519Verify,
): Certificate {
  assertRoot(root);
  if (now !== undefined) assertInteger(now, "now", 1, SECONDS_MAX);
  const certificate = readCertificate(server);
  verifyPlace(certificate, root.id, certificate.role === serverRole(root.tree), now);
  verify1(SIGNED_CERTIFICATE, server, root.publicKey, verifier);
  return certificate;
}

/** The role of a tree's security servers. */
export function serverRole(tree: number): number {
  return tree === TREE_AGENTS ? ROLE_AGENT_SECURITY_SERVER : ROLE_MODULE_SECURITY_SERVER;
}

/** True for the roles that a security server of this tree may certify. */
export function isDeviceRole(role: number, tree: number): boolean {
  if (tree === TREE_AGENTS) return role >= ROLE_CUSTOMER && role <= ROLE_MINT;
  return role >= ROLE_TRANSACTION && role <= ROLE_GENERATOR;
}

function assertRoot(root: Root): void {
  assertInteger(root.tree, "root.tree", TREE_AGENTS, TREE_MODULES);
  assertBytes(root.id, "root.id", ID_BYTES);
  assertBytes(root.publicKey, "root.publicKey", KEY_BYTES);
}

function foreign(what: string): CodecError {
  return new CodecError(`certificate: ${what}`, REASON_FOREIGN_CERTIFICATE);
}

/** What a place in a chain demands beside the signature. */
function verifyPlace(certificate: Certificate, issuer: Uint8Array, roleFits: boolean, now: number | undefined): void {
  if (!equalBytes(certificate.issuer, issuer))
    throw foreign(`issued by ${toHex(certificate.issuer)}, not by this issuer`);
  if (!roleFits) throw new CodecError(`certificate: role ${certificate.role} has no place here`, REASON_WRONG_ROLE);
  if (now === undefined) return;
  if (now < certificate.notBefore) {
    throw new CodecError(`certificate: valid from ${certificate.notBefore} on`, REASON_CERTIFICATE_NOT_YET_VALID);
  }
  if (now >= certificate.expiry) {
    throw new CodecError(`certificate: expired at ${certificate.expiry}`, REASON_CERTIFICATE_EXPIRED);
  }
}

function claimsOf(certificate: Certificate): Map<number, CborValue> {
  assertCertificate(certificate);
  const key = new Map<number, CborValue>([
    [KEY_TYPE, KEY_TYPE_OCTET_PAIR],
    [KEY_CURVE, KEY_CURVE_ED25519],
    [KEY_X, certificate.signatureKey],
  ]);
  const claims = new Map<number, CborValue>([
    [CLAIM_ISSUER, toHex(certificate.issuer)],
    [CLAIM_SUBJECT, toHex(certificate.id)],
    [CLAIM_EXPIRY, certificate.expiry],
    [CLAIM_NOT_BEFORE, certificate.notBefore],
    [CLAIM_CONFIRMATION, new Map([[CONFIRMATION_KEY, key]])],
    [CLAIM_ROLE, certificate.role],
    [CLAIM_AGREEMENT_KEY, certificate.agreementKey],
  ]);
  if (certificate.name !== undefined) claims.set(CLAIM_NAME, certificate.name);
  return claims;
}

function assertCertificate(certificate: Certificate): void {
  assertBytes(certificate.id, "certificate.id", ID_BYTES);
  assertBytes(certificate.issuer, "certificate.issuer", ID_BYTES);
  assertInteger(certificate.role, "certificate.role", 0, ROLE_MAX);
  assertInteger(certificate.notBefore, "certificate.notBefore", 0, SECONDS_MAX);
  assertInteger(certificate.expiry, "certificate.expiry", certificate.notBefore + 1, SECONDS_MAX);
  assertBytes(certificate.signatureKey, "certificate.signatureKey", KEY_BYTES);
  assertBytes(certificate.agreementKey, "certificate.agreementKey", KEY_BYTES);
  if (equalBytes(certificate.id, certificate.issuer)) throw new RangeError("certificate.id: is its own issuer");
  if (certificate.name === undefined) return;
  if (typeof certificate.name !== "string") throw new TypeError("certificate.name: expected a string");
  const length = new TextEncoder().encode(certificate.name).length;
  assertInteger(length, "certificate.name: its length in bytes", 1, CERTIFICATE_NAME_BYTES_MAX);
}

function readClaims(claims: ReadonlyMap<number, CborValue>): Certificate {
  const keys = [
    CLAIM_ISSUER,
    CLAIM_SUBJECT,
    CLAIM_EXPIRY,
    CLAIM_NOT_BEFORE,
    CLAIM_CONFIRMATION,
    CLAIM_ROLE,
    CLAIM_AGREEMENT_KEY,
  ];
  const named = claims.has(CLAIM_NAME);
  const fields = Fields.ofMap(claims, "certificate", named ? [...keys, CLAIM_NAME] : keys);
  const certificate = {
    issuer: readId(fields, "issuer"),
    id: readId(fields, "subject"),
    expiry: fields.uint("expiry", SECONDS_MAX),
    notBefore: fields.uint("not before", SECONDS_MAX),
    signatureKey: readSignatureKey(fields),
    role: fields.uint("role", ROLE_MAX),
    agreementKey: fields.bytes("agreement key", KEY_BYTES),
  };
  if (!named) return certificate;
  const name = fields.text("name", CERTIFICATE_NAME_BYTES_MAX);
  if (name === "") throw new CodecError("certificate: an empty name is left out");
  return { ...certificate, name };
}

function readId(fields: Fields, name: string): Uint8Array {
  const digits = fields.text(name, 2 * ID_BYTES);
  if (!/^[0-9a-f]{32}$/.test(digits))
    throw new CodecError(`certificate: ${name} is not 32 lower-case hexadecimal digits`);
  return fromHex(digits);
}

function readSignatureKey(fields: Fields): Uint8Array {
  const key = fields.map("confirmation", [CONFIRMATION_KEY]).map("key", [KEY_TYPE, KEY_CURVE, KEY_X]);
  const octetPair = key.uint("type") === KEY_TYPE_OCTET_PAIR;
  if (!octetPair || key.uint("curve") !== KEY_CURVE_ED25519) {
    throw new CodecError("certificate: the confirmation key is not an Ed25519 key");
  }
  return key.bytes("x", KEY_BYTES);
}
