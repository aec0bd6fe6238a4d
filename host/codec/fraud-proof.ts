/**
 * Proof that a module spent what it did not have (docs/PROTOCOLS.md, section 7), as bytes that anybody can check with the
 * root of the modules' tree and nothing else:
 *
 *     [1, 1, [chain...], [signed...]]           two records of one counter
 *     [1, 2, [chain...], parent, [signed...]]   a record, and parts of it that add up to more
 *     [1, 3, [chain...], body, [signed...]]     a note's body, and parts of it that add up to more
 *
 * signed = [record, key, index of its signer's chain], parent likewise; body = [signed body, index]. Records stand in the
 * order of their SHA-256, each chain once, in the order in which it is first named: one fraud has one proof. Here proofs
 * are made; they are checked in `fraud-verifier.ts`, which does not import this file.
 */

import { sha256 } from "../crypto.js";
import { toHex } from "./bytes.js";
import { type CborValue, encode } from "./cbor.js";

export const PROOF_COUNTER = 1;
export const PROOF_RECORD_PARTS = 2;
export const PROOF_BODY_PARTS = 3;

const VERSION = 1;

/** A record with the key that opens it and the chain of who signed it. */
export interface OpenedRecord {
  readonly record: Uint8Array;
  readonly key: Uint8Array;
  readonly chain: Uint8Array;
}

export interface SignedBody {
  readonly body: Uint8Array;
  readonly chain: Uint8Array;
}

/** One transferor signed both under one counter. */
export function counterProof(one: OpenedRecord, other: OpenedRecord): Uint8Array {
  const chains = new ChainTable();
  const signed = inOrder([one, other]).map((each) => chains.entry(each));
  return encode([VERSION, PROOF_COUNTER, chains.all(), signed]);
}

/** The transferee of `parent` passed these parts of it on. */
export function recordPartsProof(parent: OpenedRecord, parts: readonly OpenedRecord[]): Uint8Array {
  const chains = new ChainTable();
  const head = chains.entry(parent);
  const signed = inOrder(parts).map((each) => chains.entry(each));
  return encode([VERSION, PROOF_RECORD_PARTS, chains.all(), head, signed]);
}

/** The generator that signed the body passed these parts of it on. */
export function bodyPartsProof(body: SignedBody, parts: readonly OpenedRecord[]): Uint8Array {
  const chains = new ChainTable();
  const head = [body.body, chains.index(body.chain)];
  const signed = inOrder(parts).map((each) => chains.entry(each));
  return encode([VERSION, PROOF_BODY_PARTS, chains.all(), head, signed]);
}

function inOrder(records: readonly OpenedRecord[]): OpenedRecord[] {
  const hashed = records.map((each) => ({ each, hash: toHex(sha256(each.record)) }));
  return hashed.sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0)).map(({ each }) => each);
}

/** Many records are signed under few chains. */
class ChainTable {
  readonly #chains = new Map<string, { index: number; chain: Uint8Array }>();

  entry({ record, key, chain }: OpenedRecord): CborValue[] {
    return [record, key, this.index(chain)];
  }

  index(chain: Uint8Array): number {
    const known = this.#chains.get(toHex(chain));
    if (known !== undefined) return known.index;
    const index = this.#chains.size;
    this.#chains.set(toHex(chain), { index, chain });
    return index;
  }

  all(): Uint8Array[] {
    return [...this.#chains.values()].map(({ chain }) => chain);
  }
}
