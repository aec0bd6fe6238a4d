/** Sealing in bulk: what comes out is what went in, or nothing. */

import { describe, expect, it } from "vitest";
import { CodecError } from "../../host/codec/errors.js";
import { NoiseError } from "../../host/codec/noise.js";
import { x25519KeyPair } from "../../host/crypto.js";
import { BULK_PIECE_BYTES, openBulk, sealBulk } from "../../host/tokens/bulk.js";
import { PROLOGUE } from "../../host/tokens/messages/common.js";
import { bytesFrom, seededRandom } from "../support/token-buyer.js";

const random = bytesFrom(seededRandom("bulk"));
const secret = new Uint8Array(32).fill(5);
const { publicKey: remoteStatic } = x25519KeyPair(secret);
const from = { staticPrivate: secret, prologue: PROLOGUE.purse };
const seal = (plain: Uint8Array) => sealBulk({ remoteStatic, random, prologue: PROLOGUE.purse }, plain);

describe("sealing in bulk", () => {
  it("opens at every length around its pieces, with 56 bytes more and 16 for each piece", () => {
    for (const length of [0, 1, BULK_PIECE_BYTES - 1, BULK_PIECE_BYTES, BULK_PIECE_BYTES + 1, 3 * BULK_PIECE_BYTES]) {
      const plain = random(length);
      const sealed = seal(plain);
      expect(sealed).toHaveLength(56 + length + 16 * Math.ceil(length / BULK_PIECE_BYTES));
      expect(Buffer.compare(openBulk(from, sealed), plain)).toBe(0);
    }
  });

  it("opens nothing that was altered, cut off, added to, reordered, or sealed to another or for another purpose", () => {
    const plain = random(2 * BULK_PIECE_BYTES);
    const sealed = seal(plain);
    const refused = (bytes: Uint8Array, options = from) => {
      let error: unknown;
      try {
        openBulk(options, bytes);
      } catch (thrown) {
        error = thrown;
      }
      expect(error instanceof CodecError || error instanceof NoiseError).toBe(true);
    };
    for (const at of [0, 31, 35, 55, 56, 70_000, sealed.length - 1]) {
      const altered = Uint8Array.from(sealed);
      altered[at] = (altered[at] ?? 0) ^ 128;
      refused(altered);
    }
    for (const length of [0, 10, 55, 56, 57, 56 + BULK_PIECE_BYTES + 16, sealed.length - 1])
      refused(sealed.slice(0, length));
    refused(Uint8Array.from([...sealed, 0]));
    const piece = BULK_PIECE_BYTES + 16;
    const swapped = Uint8Array.from(sealed);
    swapped.set(sealed.subarray(56 + piece), 56);
    swapped.set(sealed.subarray(56, 56 + piece), 56 + piece);
    refused(swapped);
    refused(sealed, { ...from, prologue: PROLOGUE.seller });
    refused(sealed, { ...from, staticPrivate: new Uint8Array(32).fill(6) });
  });
});
