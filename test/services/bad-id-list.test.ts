import { describe, expect, test } from "vitest";
import { SIGNED_LIST, TREE_MODULES } from "../../firmware/protocol/kinds.js";
import { BAD_IDS_MAX } from "../../firmware/protocol/limits.js";
import { Agency, newAgency } from "../../host/agencies.js";
import { toHex } from "../../host/codec/bytes.js";
import { type CborValue, decode } from "../../host/codec/cbor.js";
import { readCertificate, verifyIssuer } from "../../host/codec/certificate.js";
import { verify1 } from "../../host/codec/cose.js";
import { BadIdList } from "../../host/services/bad-id-list.js";
import { openDatabase } from "../../host/services/database.js";
import type { Finding } from "../../host/services/reconciliation.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { NOW } from "../support/agencies.js";

const clock = { now_seconds: () => BigInt(NOW) };
const agency = new Agency(newAgency(TREE_MODULES, new SeededRandomness(sodiumCryptography, "bad ids"), NOW - 10));

const idHex = (number: number) => number.toString(16).padStart(32, "0");
const finding = (number: number, proof: Uint8Array | undefined = new Uint8Array(1)): Finding => {
  return { number, kind: "parts", culprit: idHex(number), proof, found_seconds: 0n };
};
const findings = (count: number) => Array.from({ length: count }, (_, at) => finding(at + 1));

/** Version and ids of the newest list, whose signature must hold. */
async function listed(list: BadIdList): Promise<{ version: CborValue; ids: string[] } | undefined> {
  const newest = await list.newest();
  if (newest === undefined) return undefined;
  const [signed, server] = decode(newest.list) as [Uint8Array, Uint8Array];
  verifyIssuer(server, agency.root, NOW);
  const payload = verify1(SIGNED_LIST, signed, readCertificate(server).signatureKey);
  const [, version, , entries] = decode(payload) as [number, number, number, [Uint8Array, number][]];
  return { version, ids: entries.map(([id]) => toHex(id)) };
}

describe("the bad-id list", () => {
  test("grows by a version when somebody new is proved to have cheated, and only then", async () => {
    const list = await BadIdList.open(openDatabase("memory"), agency, clock);
    await list.publish([]);
    expect(await listed(list)).toBeUndefined();
    // The bank's own word is no proof.
    await list.publish([{ ...finding(9), kind: "redeemed", proof: undefined }]);
    expect(await listed(list)).toBeUndefined();
    await list.publish(findings(1));
    expect(await listed(list)).toEqual({ version: 1, ids: [idHex(1)] });
    await list.publish([...findings(1), { ...finding(1), number: 2, kind: "counter" }]);
    expect(await listed(list)).toMatchObject({ version: 1 });
    await list.publish(findings(3));
    expect(await listed(list)).toEqual({ version: 2, ids: [1, 2, 3].map(idHex) });
  });

  test("is never longer than one signature covers: the oldest make room", async () => {
    const list = await BadIdList.open(openDatabase("memory"), agency, clock);
    await list.publish(findings(BAD_IDS_MAX));
    await list.publish(findings(BAD_IDS_MAX + 1));
    const { version, ids } = (await listed(list)) ?? { version: 0, ids: [] };
    expect([version, ids.length]).toEqual([2, BAD_IDS_MAX]);
    expect([ids.includes(idHex(1)), ids.at(-1)]).toEqual([false, idHex(BAD_IDS_MAX + 1)]);
  });
});
