/**
 * The agencies at the top of the two certificate trees: each has a root and a security server. The root certifies the
 * server; the server certifies devices that prove possession of their keys, and signs the list of untrusted devices.
 */

import * as kinds from "../firmware/protocol/kinds.js";
import { BAD_IDS_MAX, ID_BYTES } from "../firmware/protocol/limits.js";
import { equalBytes, fromHex, toHex } from "./codec/bytes.js";
import { encode } from "./codec/cbor.js";
import {
  type Certificate,
  encodeChain,
  isDeviceRole,
  issueCertificate,
  type Root,
  serverRole,
} from "./codec/certificate.js";
import { payloadOf, sign1, verify1 } from "./codec/cose.js";
import { Fields } from "./codec/read.js";
import type { Signer } from "./codec/signer.js";
import { ed25519Signer, equalConstantTime, hmacSha256, type KeyPair, x25519Agree, x25519KeyPair } from "./crypto.js";
import { type RandomSource, randomBytes } from "./randomness.js";

const KEY_BYTES = 32;
const POSSESSION_LABEL = new TextEncoder().encode("tallystick possession");
const LIST_FORMAT = 1;
const REQUEST_FORMAT = 1;

/** Validities of certificates. */
const SERVER_VALID_SECONDS = 20 * 365 * 86_400;
const DEVICE_VALID_SECONDS = 5 * 365 * 86_400;

/** Everything secret of an agency, as it lies in its file. */
export interface AgencySecrets {
  readonly tree: number;
  readonly rootId: string;
  readonly rootSeed: string;
  readonly serverId: string;
  readonly serverSeed: string;
  readonly serverAgreement: string;
  readonly serverNotBefore: number;
}

export interface CertificateRequest {
  readonly id: Uint8Array;
  readonly role: number;
  readonly signatureKey: Uint8Array;
  readonly agreementKey: Uint8Array;
}

/** A device asked for a certificate without proof that it owns what it names. */
export class RequestRefusedError extends Error {
  constructor(what: string) {
    super(`The certificate request was refused: ${what}. Nothing was issued. Personalise a fresh chip instead.`);
    this.name = "RequestRefusedError";
  }
}

/** Makes the secrets of a new agency. They are worth whatever its devices hold: keep them where only the agency reads. */
export function newAgency(tree: number, random: RandomSource, now_seconds: number): AgencySecrets {
  const secret = (length: number) => toHex(randomBytes(random, length));
  return {
    tree,
    rootId: secret(ID_BYTES),
    rootSeed: secret(KEY_BYTES),
    serverId: secret(ID_BYTES),
    serverSeed: secret(KEY_BYTES),
    serverAgreement: secret(KEY_BYTES),
    serverNotBefore: now_seconds,
  };
}

export class Agency {
  readonly root: Root;
  readonly serverCertificate: Uint8Array;
  readonly #secrets: AgencySecrets;
  readonly #server: Signer;
  readonly #agreement: KeyPair;
  readonly #serverId: Uint8Array;

  constructor(secrets: AgencySecrets) {
    this.#secrets = secrets;
    const rootSigner = ed25519Signer(fromHex(secrets.rootSeed));
    this.root = { tree: secrets.tree, id: fromHex(secrets.rootId), publicKey: rootSigner.publicKey };
    this.#server = ed25519Signer(fromHex(secrets.serverSeed));
    this.#agreement = x25519KeyPair(fromHex(secrets.serverAgreement));
    this.#serverId = fromHex(secrets.serverId);
    const certificate: Certificate = {
      id: this.#serverId,
      issuer: this.root.id,
      role: serverRole(secrets.tree),
      notBefore: secrets.serverNotBefore,
      expiry: secrets.serverNotBefore + SERVER_VALID_SECONDS,
      signatureKey: this.#server.publicKey,
      agreementKey: this.#agreement.publicKey,
    };
    this.serverCertificate = issueCertificate(certificate, rootSigner);
  }

  get tree(): number {
    return this.#secrets.tree;
  }

  /** X25519 key to which a device proves possession of its own. */
  get agreementKey(): Uint8Array {
    return this.#agreement.publicKey;
  }

  /** Issues a device's chain for its request, if the request proves possession of both keys. */
  certify(
    request: Uint8Array,
    expected: { id: Uint8Array; role: number },
    now_seconds: number,
    name?: string,
  ): Uint8Array {
    const asked = this.readRequest(request);
    if (!equalBytes(asked.id, expected.id) || asked.role !== expected.role) {
      throw new RequestRefusedError("it names another subject or role than was asked for");
    }
    return this.issue(asked, now_seconds, name);
  }

  /** For services with keys of their own, such as the card network: certifies without a request. */
  issue(subject: CertificateRequest, now_seconds: number, name?: string): Uint8Array {
    if (!isDeviceRole(subject.role, this.tree)) throw new RequestRefusedError("that role is not of this tree");
    const certificate: Certificate = {
      ...subject,
      issuer: this.#serverId,
      notBefore: now_seconds,
      expiry: now_seconds + DEVICE_VALID_SECONDS,
      ...(name === undefined ? {} : { name }),
    };
    return encodeChain(issueCertificate(certificate, this.#server), this.serverCertificate);
  }

  /** Reads a request and checks both proofs of possession. */
  readRequest(request: Uint8Array): CertificateRequest {
    const fields = Fields.decode(payloadOf(request), "certificate request", 7);
    if (fields.uint("version", 255) !== REQUEST_FORMAT) throw new RequestRefusedError("its version is not known");
    const id = fields.id("subject id");
    const role = fields.uint("role", 255);
    const signatureKey = fields.bytes("signature key", KEY_BYTES);
    const agreementKey = fields.bytes("agreement key", KEY_BYTES);
    const issuerKey = fields.bytes("issuer's agreement key", KEY_BYTES);
    const proof = fields.bytes("proof", KEY_BYTES);
    verify1(kinds.SIGNED_REQUEST, request, signatureKey);
    if (!equalBytes(issuerKey, this.#agreement.publicKey))
      throw new RequestRefusedError("it is meant for another issuer");
    const shared = x25519Agree(this.#agreement.secretKey, agreementKey);
    const said = Uint8Array.of(...POSSESSION_LABEL, ...signatureKey, ...agreementKey, ...id);
    if (!equalConstantTime(hmacSha256(shared, said), proof)) {
      throw new RequestRefusedError("it does not prove possession of its agreement key");
    }
    return { id, role, signatureKey, agreementKey };
  }

  /** The list of untrusted devices, as PUT DATA takes it: [signed list, security server's certificate]. */
  badIdList(version: bigint, now_seconds: number, entries: readonly (readonly [Uint8Array, number])[]): Uint8Array {
    if (entries.length > BAD_IDS_MAX) throw new RangeError(`entries: at most ${BAD_IDS_MAX}`);
    const list = encode([LIST_FORMAT, version, now_seconds, entries.map(([id, reason]) => [id, reason])]);
    return encode([sign1(kinds.SIGNED_LIST, list, this.#server), this.serverCertificate]);
  }
}

export interface Agencies {
  readonly agents: Agency;
  readonly modules: Agency;
}

/** Both agencies, new. */
export function newAgencies(
  random: RandomSource,
  now_seconds: number,
): { agents: AgencySecrets; modules: AgencySecrets } {
  return {
    agents: newAgency(kinds.TREE_AGENTS, random, now_seconds),
    modules: newAgency(kinds.TREE_MODULES, random, now_seconds),
  };
}
