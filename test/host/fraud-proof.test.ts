import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ROLE_TRANSACTION, TREE_AGENTS } from "../../firmware/protocol/kinds.js";
import { type CborValue, decode, encode } from "../../host/codec/cbor.js";
import { encodeChain } from "../../host/codec/certificate.js";
import {
  bodyPartsProof,
  counterProof,
  type OpenedRecord,
  recordPartsProof,
  type SignedBody,
} from "../../host/codec/fraud-proof.js";
import { mintNote, signTransfer, type TransferRecord } from "../../host/codec/note.js";
import { sha256 } from "../../host/crypto.js";
import { checkFraudProof } from "../../host/fraud-verifier.js";
import { idOf, NOW } from "../support/agencies.js";
import { DRAFT, keyOf, ModuleAgency } from "../support/note-makers.js";

const agency = new ModuleAgency();
const generator = agency.generator(0x10);
const teller = agency.module({ fill: 0x11 });
const cheat = agency.module({ fill: 0x20 });
const other = agency.module({ fill: 0x21 });
const CHEAT = Buffer.from(cheat.id).toString("hex");

type Signer = typeof cheat;

function opened(by: Signer, change: Partial<TransferRecord> = {}, fill = 1): OpenedRecord {
  const key = keyOf(fill);
  const honest = { before: sha256(Uint8Array.of(1)), transferee: idOf(0x30), counter: 7n, amount: 60n, date: NOW };
  const record = signTransfer({ ...honest, lock: sha256(key), ...change }, by.signer);
  return { record, key, chain: encodeChain(by.certificate, by.server) };
}

const received = opened(teller, { transferee: cheat.id, amount: 100n }, 9);
const before = sha256(received.record);
/** Two transfers of one counter; the first two parts are more than was received, the third fits beside either. */
const twins = [opened(cheat, { before }, 1), opened(cheat, { before, transferee: idOf(0x31) }, 2)] as const;
const parts = [60n, 41n, 40n].map((amount, at) => opened(cheat, { before, amount, counter: BigInt(at) }, at + 1));
const [large, middle, small] = parts as [OpenedRecord, OpenedRecord, OpenedRecord];
const minted = mintNote({ ...DRAFT, value: 100n }, generator);
const body: SignedBody = { body: minted.signedBody, chain: encodeChain(generator.certificate, generator.server) };
const bodyParts = [60n, 41n].map((amount, at) =>
  opened(generator, { before: sha256(minted.signedBody), amount, counter: BigInt(at) }, at + 1),
);

const GOOD = {
  counter: counterProof(...twins),
  "record parts": recordPartsProof(received, [large, middle]),
  "body parts": bodyPartsProof(body, bodyParts),
};

function why(proof: Uint8Array, root = agency.root): string {
  const verdict = checkFraudProof(proof, root);
  return verdict.proved ? "PROVED" : verdict.why;
}

describe("a proof of fraud", () => {
  test("names who cheated and by what", () => {
    const { root } = agency;
    expect(checkFraudProof(GOOD.counter, root)).toMatchObject({ proved: true, kind: "counter", culprit: CHEAT });
    const verdict = checkFraudProof(GOOD["record parts"], root);
    expect(verdict).toMatchObject({ kind: "record parts", culprit: CHEAT, role: ROLE_TRANSACTION });
    expect(verdict).toMatchObject({ by: expect.stringMatching(/received 100 .* 101/) });
    const maker = Buffer.from(generator.id).toString("hex");
    expect(checkFraudProof(GOOD["body parts"], root)).toMatchObject({ kind: "body parts", culprit: maker });
  });

  test("is the same bytes in whatever order its records were found", () => {
    expect(counterProof(twins[1], twins[0])).toEqual(GOOD.counter);
    expect(recordPartsProof(received, [middle, large])).toEqual(GOOD["record parts"]);
  });

  test("holds for one module under two certificates", () => {
    const renewed = agency.module({ fill: 0x20, notBefore: NOW - 10 });
    expect(renewed.certificate).not.toEqual(cheat.certificate);
    const later = opened(renewed, { before, transferee: idOf(0x31) }, 2);
    expect(checkFraudProof(counterProof(twins[0], later), agency.root)).toMatchObject({ culprit: CHEAT });
  });

  test("is nothing under another root, and never about agents", () => {
    for (const proof of Object.values(GOOD)) {
      expect(why(proof, new ModuleAgency(0x55, 0x56).root)).toMatch(/certificate/);
      expect(why(proof, { ...agency.root, publicKey: new ModuleAgency(0x55).root.publicKey })).toMatch(/signature/);
      expect(() => checkFraudProof(proof, { ...agency.root, tree: TREE_AGENTS })).toThrow(RangeError);
    }
  });

  test("says nothing about a module that only aborted", () => {
    const aborted = (proof: Uint8Array, at: number, key: CborValue): Uint8Array => {
      const [version, kind, chains, ...rest] = decode(proof) as CborValue[];
      const records = rest.pop() as CborValue[][];
      const changed = records.map((each, index) =>
        index === at ? [each[0] as CborValue, key, each[2] as CborValue] : each,
      );
      return encode([version, kind, chains, ...rest, changed] as CborValue[]);
    };
    for (const proof of Object.values(GOOD)) {
      for (const at of [0, 1]) {
        expect(why(aborted(proof, at, null))).toMatch(/never committed/);
        expect(why(aborted(proof, at, keyOf(0x77)))).toMatch(/does not open/);
        expect(why(aborted(proof, at, new Uint8Array(0)))).toMatch(/does not open/);
      }
    }
    const unopened = { ...received, key: keyOf(0x77) };
    expect(why(recordPartsProof(unopened, [large, middle]))).toMatch(/does not open/);
  });

  test("needs two different records of one counter and one transferor", () => {
    expect(why(counterProof(twins[0], twins[0]))).toMatch(/twice/);
    expect(why(counterProof(twins[0], opened(cheat, { before, counter: 8n })))).toMatch(/two counters/);
    expect(why(counterProof(twins[0], opened(other, { before })))).toMatch(/two transferors/);
  });

  test("needs parts that do not fit, each once, all of the same thing and its owner's", () => {
    expect(why(recordPartsProof(received, [large, small]))).toMatch(/fit into the 100/);
    expect(why(recordPartsProof(received, [large, large]))).toMatch(/twice/);
    expect(why(recordPartsProof(received, []))).toMatch(/no parts/);
    const elsewhere = opened(cheat, { amount: 90n, counter: 50n });
    expect(why(recordPartsProof(received, [large, elsewhere]))).toMatch(/something else/);
    const somebodys = opened(other, { before, amount: 90n });
    expect(why(recordPartsProof(received, [large, somebodys]))).toMatch(/somebody else/);
    expect(why(bodyPartsProof(body, bodyParts.slice(1)))).toMatch(/fit into the note's 100/);
    const falseBody = mintNote({ ...DRAFT, value: 1n }, { ...cheat, id: generator.id }).signedBody;
    expect(why(bodyPartsProof({ ...body, body: falseBody }, bodyParts))).toMatch(/signature/);
  });

  test("needs signatures of certified modules that were valid at their dates", () => {
    const forger = { ...cheat, signer: other.signer };
    expect(why(counterProof(twins[0], opened(forger, { before, amount: 1n })))).toMatch(/signature/);
    const foreign = new ModuleAgency(0xe0, 0x99).module({ fill: 0x20 });
    const mixed = { ...foreign, server: agency.server };
    expect(why(counterProof(twins[0], opened(mixed, { before, amount: 1n })))).toMatch(/certificate/);
    const early = agency.module({ fill: 0x20, expiry: NOW });
    expect(why(counterProof(twins[0], opened(early, { before, amount: 1n })))).toMatch(/expired/);
    expect(why(counterProof(twins[0], opened(cheat, { before, amount: 1n, date: 0 })))).toMatch(/without date/);
    // A generator's body must be a generator's.
    const chain = encodeChain(cheat.certificate, cheat.server);
    const own = mintNote({ ...DRAFT, value: 1n }, cheat).signedBody;
    const spent = opened(cheat, { before: sha256(own) });
    expect(why(bodyPartsProof({ body: own, chain }, [spent]))).toMatch(/makes no notes/);
  });

  test("has one form: order, chains and length are fixed", () => {
    const [version, kind, chains, records] = decode(GOOD.counter) as [number, number, Uint8Array[], CborValue[]];
    const [chain] = chains as [Uint8Array];
    const foreign = encodeChain(other.certificate, other.server);
    expect(why(encode([version, kind, chains, [...records].reverse()]))).toMatch(/order/);
    expect(why(encode([version, kind, [chain, foreign], records]))).toMatch(/nothing needs/);
    expect(why(encode([version, kind, [chain, chain], records]))).toMatch(/repeats/);
    expect(why(encode([version, kind, [foreign, chain], records]))).toMatch(/signature/);
    expect(why(encode([version, kind, chains, records, null]))).toMatch(/more items/);
    expect(why(encode([2, kind, chains, records]))).toMatch(/version 2/);
    expect(why(encode([version, 4, chains, records]))).toMatch(/kind 4/);
    expect(why(new Uint8Array(0))).not.toBe("PROVED");
  });

  test("proves nothing with any one bit changed, cut off or added", () => {
    for (const [kind, proof] of Object.entries(GOOD)) {
      // Every bit of one, and of the others one in five, so that each byte has its turn.
      for (let bit = 0; bit < proof.length * 8; bit += kind === "counter" ? 1 : 5) {
        const altered = proof.slice();
        altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const verdict = checkFraudProof(altered, agency.root);
        if (verdict.proved) expect.fail(`bit ${bit} does not matter`);
      }
      expect(why(proof.subarray(0, -1))).not.toBe("PROVED");
      expect(why(Uint8Array.of(...proof, 0))).not.toBe("PROVED");
    }
  });

  test("any bytes are answered, never thrown at", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => why(bytes) !== "PROVED"),
      { numRuns: 200 },
    );
  });

  test("is checked without the code that makes and verifies notes", () => {
    const source = readFileSync(new URL("../../host/fraud-verifier.ts", import.meta.url), "utf8");
    const imported = [...source.matchAll(/from "([^"]+)"/g)].map((match) => match[1]).sort();
    expect(imported).toEqual([
      "../firmware/protocol/kinds.js",
      "../firmware/protocol/limits.js",
      "./codec/bytes.js",
      "./codec/certificate.js",
      "./codec/cose.js",
      "./codec/errors.js",
      "./codec/read.js",
      "./crypto.js",
    ]);
  });
});
