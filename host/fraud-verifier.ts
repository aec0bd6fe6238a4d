/**
 * Checks a proof of fraud (docs/PROTOCOLS.md, section 7) for somebody who trusts neither the bank that shows it nor this
 * project's idea of a valid note: it knows CBOR, COSE and certificates, reads bodies and transfer records itself, and
 * needs the root of the modules' tree. What it proves is only what the culprit's own key has signed and opened.
 */

import {
  ROLE_GENERATOR,
  ROLE_TELLER,
  ROLE_TRANSACTION,
  SIGNED_NOTE_BODY,
  SIGNED_TRANSFER,
  TREE_MODULES,
} from "../firmware/protocol/kinds.js";
import { CHAIN_BYTES_MAX, SECONDS_BITS } from "../firmware/protocol/limits.js";
import { equalBytes, toHex } from "./codec/bytes.js";
import { type Certificate, decodeChain, type Root, readCertificate, verifyChain } from "./codec/certificate.js";
import { verify1 } from "./codec/cose.js";
import { CodecError } from "./codec/errors.js";
import { Fields } from "./codec/read.js";
import { sha256 } from "./crypto.js";

/** Larger files are not read. */
export const PROOF_BYTES_MAX = 1_048_576;

const VERSION = 1;
const KIND_COUNTER = 1;
const KIND_RECORD_PARTS = 2;
const KIND_BODY_PARTS = 3;
const HASH_BYTES = 32;
const SIGNED_BYTES_MAX = 256;
const SECONDS_MAX = 2 ** SECONDS_BITS - 1;
const COUNTER_MAX = 2n ** 64n - 1n;

/** What a checked proof says. */
export type Verdict = Proved | { readonly proved: false; readonly why: string };

export interface Proved {
  readonly proved: true;
  readonly kind: "counter" | "record parts" | "body parts";
  /** Subject id, 32 hexadecimal digits. */
  readonly culprit: string;
  /** Role in its certificate. */
  readonly role: number;
  /** By what, as a sentence. */
  readonly by: string;
}

/** Why a proof proves nothing. */
class NothingProved extends Error {}

/** A transfer record that its signer's certificate covers and whose key is shown. */
interface Opened {
  readonly hash: Uint8Array;
  readonly signer: Certificate;
  readonly before: Uint8Array;
  readonly transferee: Uint8Array;
  readonly counter: bigint;
  readonly amount: bigint;
}

/** Who is proved to have cheated, or why these bytes prove nothing. Nothing but a wrong `root` is thrown. */
export function checkFraudProof(bytes: Uint8Array, root: Root): Verdict {
  if (root.tree !== TREE_MODULES) throw new RangeError("root.tree: proofs are about the modules' tree");
  try {
    return check(bytes, root);
  } catch (error) {
    if (error instanceof NothingProved || error instanceof CodecError) return { proved: false, why: error.message };
    throw error;
  }
}

function check(bytes: Uint8Array, root: Root): Proved {
  if (bytes.length > PROOF_BYTES_MAX) throw new NothingProved(`${bytes.length} bytes are more than a proof has`);
  const fields = Fields.decode(bytes, "proof");
  const version = fields.uint("version");
  if (version !== VERSION) throw new NothingProved(`a proof of version ${version}`);
  const kind = fields.uint("kind");
  const chains = new Chains(fields.array("chains"), root);
  const proved = byKind(kind, fields, chains);
  fields.end();
  chains.end();
  return proved;
}

function byKind(kind: number, fields: Fields, chains: Chains): Proved {
  if (kind === KIND_COUNTER) return checkCounter(readAll(fields.array("records", 2), chains));
  if (kind === KIND_RECORD_PARTS) {
    const parent = readOpened(fields.array("record", 3), chains);
    return checkRecordParts(parent, readAll(fields.array("parts"), chains));
  }
  if (kind === KIND_BODY_PARTS) {
    const body = readBody(fields.array("body", 2), chains);
    return checkBodyParts(body, readAll(fields.array("parts"), chains));
  }
  throw new NothingProved(`a proof of unknown kind ${kind}`);
}

function checkCounter(records: readonly Opened[]): Proved {
  const [one, other] = records;
  if (one === undefined || other === undefined) throw new NothingProved("it shows fewer than two records");
  if (!equalBytes(one.signer.id, other.signer.id)) throw new NothingProved("the two records are of two transferors");
  if (one.counter !== other.counter) throw new NothingProved("the two records have two counters");
  return {
    ...culprit(one.signer),
    kind: "counter",
    by: `signed and opened two different transfers under its counter ${one.counter}, which a module uses once`,
  };
}

function checkRecordParts(parent: Opened, parts: readonly Opened[]): Proved {
  const sum = sumOf(parts, parent.hash, parent.transferee);
  if (sum <= parent.amount) throw new NothingProved(`the parts, ${sum}, fit into the ${parent.amount} received`);
  return {
    ...culprit((parts[0] as Opened).signer),
    kind: "record parts",
    by: `received ${parent.amount} and passed ${sum} of it on`,
  };
}

function checkBodyParts(body: { hash: Uint8Array; signer: Certificate; value: bigint }, parts: readonly Opened[]) {
  const sum = sumOf(parts, body.hash, body.signer.id);
  if (sum <= body.value) throw new NothingProved(`the parts, ${sum}, fit into the note's ${body.value}`);
  const by = `made a note of ${body.value} and passed ${sum} of it on`;
  return { ...culprit(body.signer), kind: "body parts" as const, by };
}

/** What the parts of one thing add up to; every one must follow from it and be signed by whoever it went to. */
function sumOf(parts: readonly Opened[], whole: Uint8Array, owner: Uint8Array): bigint {
  if (parts.length === 0) throw new NothingProved("it shows no parts");
  let sum = 0n;
  for (const part of parts) {
    if (!equalBytes(part.before, whole)) throw new NothingProved("a part follows from something else");
    if (!equalBytes(part.signer.id, owner)) throw new NothingProved("a part is signed by somebody else");
    sum += part.amount;
  }
  return sum;
}

function culprit({ id, role }: Certificate): { proved: true; culprit: string; role: number } {
  return { proved: true, culprit: toHex(id), role };
}

/** Opened records in the one order that a proof has: so none is shown twice. */
function readAll(fields: Fields, chains: Chains): Opened[] {
  const records: Opened[] = [];
  while (fields.left > 0) records.push(readOpened(fields.array("record", 3), chains));
  records.forEach((each, index) => {
    const before = records[index - 1];
    if (before === undefined) return;
    if (equalBytes(before.hash, each.hash)) throw new NothingProved("it shows one and the same record twice");
    if (toHex(before.hash) > toHex(each.hash)) throw new NothingProved("its records are not in their order");
  });
  return records;
}

function readOpened(fields: Fields, chains: Chains): Opened {
  const record = fields.bytes("signed record", 1, SIGNED_BYTES_MAX);
  const key = fields.optional("key", (value) => value);
  const chain = chains.take(fields.uint("chain"));
  const said = readRecord(chain.payload(SIGNED_TRANSFER, record, (payload) => readRecord(payload).date));
  if (!(key instanceof Uint8Array)) throw new NothingProved("a record without key was never committed: it is void");
  if (key.length !== HASH_BYTES || !equalBytes(sha256(key), said.lock)) {
    throw new NothingProved("a key does not open its record: it is void");
  }
  const { signer } = chain;
  if (![ROLE_TRANSACTION, ROLE_TELLER, ROLE_GENERATOR].includes(signer.role)) {
    throw new NothingProved(`role ${signer.role} transfers no notes`);
  }
  return { ...said, hash: sha256(record), signer };
}

function readRecord(payload: Uint8Array) {
  const fields = Fields.decode(payload, "transfer record", 7);
  if (fields.uint("version") !== VERSION) throw new NothingProved("a transfer record of another version");
  const before = fields.bytes("hash before", HASH_BYTES);
  const transferee = fields.id("transferee");
  const counter = fields.value("counter");
  const unsigned = (typeof counter === "number" || typeof counter === "bigint") && counter >= 0;
  if (!unsigned || BigInt(counter) > COUNTER_MAX) throw new NothingProved("a counter that is no unsigned integer");
  const amount = fields.amount("amount");
  const date = fields.uint("date", SECONDS_MAX);
  return { before, transferee, counter: BigInt(counter), amount, date, lock: fields.bytes("lock", HASH_BYTES) };
}

function readBody(fields: Fields, chains: Chains) {
  const signed = fields.bytes("signed body", 1, SIGNED_BYTES_MAX);
  const chain = chains.take(fields.uint("chain"));
  const said = readBodyPayload(chain.payload(SIGNED_NOTE_BODY, signed, (payload) => readBodyPayload(payload).issued));
  const { signer } = chain;
  if (signer.role !== ROLE_GENERATOR) throw new NothingProved(`role ${signer.role} makes no notes`);
  if (!equalBytes(signer.id, said.generator)) throw new NothingProved("the body names another generator");
  return { hash: sha256(signed), signer, value: said.value };
}

function readBodyPayload(payload: Uint8Array) {
  const fields = Fields.decode(payload, "note body", 11);
  if (fields.uint("version") !== VERSION) throw new NothingProved("a note body of another version");
  fields.id("note id");
  fields.uint("type");
  fields.id("issuer");
  fields.uint("currency");
  fields.uint("exponent");
  const value = fields.amount("value");
  const issued = fields.uint("issued", SECONDS_MAX);
  fields.uint("expiry", SECONDS_MAX);
  fields.uint("final redemption", SECONDS_MAX);
  return { value, issued, generator: fields.id("generator") };
}

interface Signing {
  readonly signer: Certificate;
  /** Payload of an object that this chain's subject signed while its certificate was valid. */
  payload(kind: number, signed: Uint8Array, dateOf: (payload: Uint8Array) => number): Uint8Array;
}

/** The chains of a proof: each there once, each needed, in the order in which they are first named. */
class Chains {
  readonly #chains: Uint8Array[] = [];
  readonly #root: Root;
  #named = 0;

  constructor(fields: Fields, root: Root) {
    this.#root = root;
    while (fields.left > 0) this.#chains.push(fields.bytes("chain", 1, CHAIN_BYTES_MAX));
    if (new Set(this.#chains.map(toHex)).size < this.#chains.length) throw new NothingProved("it repeats a chain");
  }

  take(index: number): Signing {
    const chain = this.#chains[index];
    if (chain === undefined || index > this.#named) throw new NothingProved("its chains are not in their order");
    if (index === this.#named) this.#named += 1;
    const signer = readCertificate(decodeChain(chain).device);
    return {
      signer,
      payload: (kind, signed, dateOf) => {
        // What the key says is read before anybody has vouched for the key; nothing is concluded from it until then.
        const payload = verify1(kind, signed, signer.signatureKey);
        const date = dateOf(payload);
        if (date === 0) throw new NothingProved("a signature without date");
        verifyChain(chain, this.#root, date);
        return payload;
      },
    };
  }

  end(): void {
    if (this.#named < this.#chains.length) throw new NothingProved("it shows a chain that nothing needs");
  }
}
