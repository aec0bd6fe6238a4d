/**
 * From a blank chip to an element, step by step and out of step, on the release firmware: what is out of order, wrong or
 * foreign is refused, and nothing of it is possible once the element is operational. `docs/APDU.md`, life cycle.
 */

import { beforeEach, describe, expect, test } from "vitest";
import * as p from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER, ROLE_GENERATOR, ROLE_TELLER, ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { type Agencies, Agency, newAgencies } from "../../host/agencies.js";
import { ChipFactory, type SimulatedChip } from "../../host/chips.js";
import { type CborValue, encode } from "../../host/codec/cbor.js";
import { encodeChain } from "../../host/codec/certificate.js";
import type { Element } from "../../host/element.js";
import { authenticate, finishPersonalisation, personalise } from "../../host/provision.js";
import type { RandomSource } from "../../host/randomness.js";
import { StatusWordError } from "../../host/status-words.js";
import { SeededRandomness } from "../../simulator/randomness.js";
import { sodiumCryptography } from "../../simulator/sodium.js";
import { START_SECONDS, VirtualTime } from "../support/virtual-time.js";

const NOW = Number(START_SECONDS);
const KEY = Uint8Array.from({ length: 32 }, (_, i) => (i * 37 + 5) & 0xff);
const ID = new Uint8Array(16).fill(0x1d);
const PIN = new TextEncoder().encode("1234");
const PUK = new TextEncoder().encode("12345678");
const NO_PARAMETERS = encode([]);

let random: RandomSource;
let agencies: Agencies;
let chip: SimulatedChip;
let element: Element;

beforeEach(async () => {
  random = new SeededRandomness(sodiumCryptography, "personalisation");
  const secrets = newAgencies(random, NOW);
  agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
  const factory = new ChipFactory({
    clock: new VirtualTime().clock,
    randomness: (name) => new SeededRandomness(sodiumCryptography, name),
  });
  chip = await factory.chip("module", "module");
  element = chip.element;
});

/** The status word of a command that is refused; 9000 for one that is not. */
async function statusOf(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return "9000";
  } catch (error) {
    if (error instanceof StatusWordError) return error.status.toString(16);
    throw error;
  }
}

const roots = (of: Agencies) =>
  encode([of.agents.root.id, of.agents.root.publicKey, of.modules.root.id, of.modules.root.publicKey]);

const generateKeys = (role = ROLE_TRANSACTION, id = ID) =>
  element.generateKeyPair(id, role, agencies.modules.agreementKey);

async function opened(): Promise<void> {
  await element.putKey(KEY);
  await authenticate(element, KEY);
}

/** Everything but SET STATUS. */
async function stored(role = ROLE_TRANSACTION, parameters: readonly CborValue[] = []): Promise<Uint8Array> {
  await opened();
  await element.storeData(p.STORE_DATA_ROOTS, roots(agencies));
  const request = await generateKeys(role);
  const chain = agencies.modules.certify(request, { id: ID, role }, NOW);
  await element.storeData(p.STORE_DATA_CHAIN, chain);
  await element.storeData(p.STORE_DATA_PIN, PIN);
  await element.storeData(p.STORE_DATA_PUK, PUK);
  await element.storeData(p.STORE_DATA_PARAMETERS, encode(parameters));
  return chain;
}

const life = async () => (await element.information()).life;

/** Every command of personalisation, with what would be right data for it. */
const commands: readonly (readonly [string, () => Promise<unknown>])[] = [
  ["GENERATE KEY PAIR", () => generateKeys()],
  ["STORE DATA roots", () => element.storeData(p.STORE_DATA_ROOTS, roots(agencies))],
  ["STORE DATA chain", () => element.storeData(p.STORE_DATA_CHAIN, agencies.modules.serverCertificate)],
  ["STORE DATA PIN", () => element.storeData(p.STORE_DATA_PIN, PIN)],
  ["STORE DATA PUK", () => element.storeData(p.STORE_DATA_PUK, PUK)],
  ["STORE DATA parameters", () => element.storeData(p.STORE_DATA_PARAMETERS, NO_PARAMETERS)],
  ["SET STATUS personalised", () => element.setStatus(p.LIFE_PERSONALISED)],
  ["SET STATUS operational", () => element.setStatus(p.LIFE_OPERATIONAL)],
  ["SET STATUS terminated", () => element.setStatus(p.LIFE_TERMINATED)],
];

describe("order", () => {
  test("a blank chip knows nothing but its personalisation key", async () => {
    for (const [name, work] of commands) expect(await statusOf(work()), name).toBe("6982");
    expect(await statusOf(authenticate(element, KEY))).toBe("6985");
    expect(await statusOf(element.verifyPin("1234"))).toBe("6985");
    expect(await statusOf(element.putList(agencies.modules.badIdList(1n, NOW, [])))).toBe("6985");
    expect(await statusOf(element.chain())).toBe("6982");
    expect(await life()).toBe(p.LIFE_BLANK);
  });

  test("personalisation keys of another length, and those that anybody would try", async () => {
    for (const length of [0, 16, 31, 33])
      expect(await statusOf(element.putKey(KEY.slice(0, length)))).toMatch(/6700|9000/);
    const globalPlatform = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + (i % 16));
    const rising = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
    for (const key of [new Uint8Array(32), new Uint8Array(32).fill(0xff), globalPlatform, rising]) {
      const { element: fresh } = await freshChip();
      expect(await statusOf(fresh.putKey(key))).toBe("6a80");
      expect((await fresh.information()).life).toBe(p.LIFE_BLANK);
    }
  });

  test("the personalisation key is put once", async () => {
    await element.putKey(KEY);
    expect(await statusOf(element.putKey(KEY))).toBe("6985");
    await authenticate(element, KEY);
    expect(await statusOf(element.putKey(KEY))).toBe("6985");
  });

  test("without EXTERNAL AUTHENTICATE, and after power-off, nothing opens", async () => {
    await element.putKey(KEY);
    for (const [name, work] of commands) expect(await statusOf(work()), name).toBe("6982");
    await authenticate(element, KEY);
    await generateKeys();
    await element.restart();
    for (const [name, work] of commands) expect(await statusOf(work()), name).toBe("6982");
  });

  test("a wrong proof, one without challenge, one for an old challenge, a challenge tried twice", async () => {
    await element.putKey(KEY);
    expect(await statusOf(element.externalAuthenticate(new Uint8Array(32)))).toBe("6985");
    expect(
      await statusOf(
        authenticate(
          element,
          KEY.map((byte) => byte ^ 1),
        ),
      ),
    ).toBe("6982");
    expect(await statusOf(element.externalAuthenticate(new Uint8Array(32)))).toBe("6985");
    await element.challenge();
    expect(await statusOf(element.externalAuthenticate(new Uint8Array(31)))).toBe("6700");
    await authenticate(element, KEY);
    expect(await statusOf(generateKeys())).toBe("9000");
    // A failed try closes what was open.
    expect(
      await statusOf(
        authenticate(
          element,
          KEY.map((byte) => byte ^ 1),
        ),
      ),
    ).toBe("6982");
    expect(await statusOf(generateKeys())).toBe("6982");
  });

  test("challenges differ", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 8; i += 1) seen.add(String(await element.challenge()));
    expect(seen.size).toBe(8);
  });

  test("no chain and no parameters before there are keys, no state that was skipped", async () => {
    await opened();
    expect(await statusOf(element.storeData(p.STORE_DATA_CHAIN, agencies.modules.serverCertificate))).toBe("6985");
    expect(await statusOf(element.storeData(p.STORE_DATA_PARAMETERS, NO_PARAMETERS))).toBe("6985");
    for (const state of [p.LIFE_BLANK, p.LIFE_INITIALISED, p.LIFE_PERSONALISED, p.LIFE_OPERATIONAL]) {
      expect(await statusOf(element.setStatus(state))).toBe("6985");
    }
    for (const state of [2, 8, 126, 255]) expect(await statusOf(element.setStatus(state))).toBe("6a80");
    expect(await life()).toBe(p.LIFE_INITIALISED);
  });

  test.each(["chain", "PIN", "PUK"])("not personalised without a %s", async (missing) => {
    await opened();
    await element.storeData(p.STORE_DATA_ROOTS, roots(agencies));
    const request = await generateKeys();
    const chain = agencies.modules.certify(request, { id: ID, role: ROLE_TRANSACTION }, NOW);
    if (missing !== "chain") await element.storeData(p.STORE_DATA_CHAIN, chain);
    if (missing !== "PIN") await element.storeData(p.STORE_DATA_PIN, PIN);
    if (missing !== "PUK") await element.storeData(p.STORE_DATA_PUK, PUK);
    expect(await statusOf(element.setStatus(p.LIFE_PERSONALISED))).toBe("6985");
    expect(await life()).toBe(p.LIFE_INITIALISED);
  });

  test("keys, identity or roots made anew after the chain was stored", async () => {
    await stored();
    const image = chip.simulated.snapshot();
    const other = newAgencies(random, NOW);
    const foreign = { agents: new Agency(other.agents), modules: new Agency(other.modules) };
    const changes = [
      () => generateKeys(),
      () => generateKeys(ROLE_TELLER),
      () =>
        generateKeys(
          ROLE_TRANSACTION,
          ID.map((byte) => byte ^ 1),
        ),
      () => element.storeData(p.STORE_DATA_ROOTS, roots(foreign)),
    ];
    for (const change of changes) {
      chip.simulated.restore(image);
      await change();
      expect(await statusOf(element.setStatus(p.LIFE_PERSONALISED))).toBe("6985");
    }
    chip.simulated.restore(image);
    await element.setStatus(p.LIFE_PERSONALISED);
    expect(await life()).toBe(p.LIFE_PERSONALISED);
  });
});

async function freshChip(): Promise<SimulatedChip> {
  return new ChipFactory({ clock: new VirtualTime().clock }).chip("fresh", "module");
}

describe("data", () => {
  test("roles and identities that are none of a module's, and lengths", async () => {
    await opened();
    for (const role of [0, ROLE_CUSTOMER, 16, 20, 23, 255]) expect(await statusOf(generateKeys(role))).toBe("6a81");
    const short = element.generateKeyPair(ID, ROLE_TRANSACTION, new Uint8Array(31));
    expect(await statusOf(short)).toBe("6700");
    const smallOrder = element.generateKeyPair(ID, ROLE_TRANSACTION, new Uint8Array(32));
    expect(await statusOf(smallOrder)).toBe("6a80");
  });

  test("roots that are not what they should be", async () => {
    await opened();
    const good = [agencies.agents.root.id, agencies.agents.root.publicKey, agencies.modules.root.id];
    for (const wrong of [[], good, [...good, new Uint8Array(31)], [...good, new Uint8Array(32), 1]]) {
      expect(await statusOf(element.storeData(p.STORE_DATA_ROOTS, encode(wrong)))).toBe("6a80");
    }
  });

  test("a chain of another role, id, key, of a foreign root, of the other tree, altered, without roots", async () => {
    await opened();
    const request = await generateKeys();
    const asked = agencies.modules.readRequest(request);
    const put = (chain: Uint8Array) => statusOf(element.storeData(p.STORE_DATA_CHAIN, chain));
    const good = agencies.modules.issue(asked, NOW);
    expect(await put(good), "without roots").toBe("6a80");
    await element.storeData(p.STORE_DATA_ROOTS, roots(agencies));
    const other = new Agency(newAgencies(random, NOW).modules);
    const issue = (change: Partial<typeof asked>) => agencies.modules.issue({ ...asked, ...change }, NOW);
    const wrong: readonly (readonly [string, Uint8Array])[] = [
      ["role", issue({ role: ROLE_TELLER })],
      ["id", issue({ id: new Uint8Array(16).fill(2) })],
      ["signature key", issue({ signatureKey: agencies.modules.root.publicKey })],
      ["agreement key", issue({ agreementKey: agencies.modules.agreementKey })],
      ["root", other.issue(asked, NOW)],
      ["tree", agencies.agents.issue({ ...asked, role: ROLE_CUSTOMER }, NOW)],
      ["server", encodeChain(agencies.modules.serverCertificate, agencies.modules.serverCertificate)],
      ["bytes behind it", Uint8Array.of(...good, 0)],
      ["one half", agencies.modules.serverCertificate],
      ["nothing", new Uint8Array(0)],
    ];
    for (const [name, chain] of wrong) expect(await put(chain), name).toBe("6a80");
    for (let at = 0; at < good.length; at += 13) {
      const altered = good.slice();
      altered[at] = (altered[at] ?? 0) ^ 4;
      expect(await put(altered), `byte ${at}`).toBe("6a80");
    }
    expect(await put(good)).toBe("9000");
    // A chip has no date before its owner has a PIN: whether a chain has expired is for its peers to say.
    expect(await put(agencies.modules.issue(asked, NOW - 10 * 365 * 86_400))).toBe("9000");
  });

  test.each(["", "123", "1234567890123", "12a4", "12 4", "１２３４"])("PIN %j", async (digits) => {
    await opened();
    for (const what of [p.STORE_DATA_PIN, p.STORE_DATA_PUK]) {
      expect(await statusOf(element.storeData(what, new TextEncoder().encode(digits)))).toBe("6a80");
    }
  });

  test("parameters of a generator, and none for the others", async () => {
    await opened();
    await generateKeys(ROLE_GENERATOR);
    const put = (...parameters: CborValue[]) =>
      statusOf(element.storeData(p.STORE_DATA_PARAMETERS, encode(parameters)));
    expect(await put()).toBe("6a80");
    expect(await put(ID, 0, 1)).toBe("6a80");
    expect(await put(ID, 2 ** 32, 1)).toBe("6a80");
    expect(await put(ID, 1, 2 ** 32)).toBe("6a80");
    expect(await put(ID.slice(1), 1, 1)).toBe("6a80");
    expect(await put(ID, 1, 1, 1)).toBe("6a80");
    expect(await put(ID, 1, new Uint8Array(100))).toBe("6a80");
    expect(await put(ID, 1, 1)).toBe("9000");
    await generateKeys(ROLE_TELLER);
    expect(await put(ID, 1, 1)).toBe("6a80");
    expect(await put()).toBe("9000");
  });

  test("STORE DATA of an unknown kind", async () => {
    await opened();
    for (const what of [0, 6, 255]) expect(await statusOf(element.storeData(what, PIN))).toBe("6a80");
  });
});

describe("afterwards", () => {
  test("personalised: nothing is stored any more, and only the next state is to come", async () => {
    await stored();
    await element.setStatus(p.LIFE_PERSONALISED);
    for (const [name, work] of commands.slice(0, 6)) expect(await statusOf(work()), name).toBe("6985");
    expect(await statusOf(element.setStatus(p.LIFE_INITIALISED))).toBe("6985");
    expect(await statusOf(element.setStatus(p.LIFE_PERSONALISED))).toBe("6985");
    await element.setStatus(p.LIFE_OPERATIONAL);
    expect(await life()).toBe(p.LIFE_OPERATIONAL);
  });

  test("operational: nothing of personalisation is possible, with or without the right key", async () => {
    await stored();
    await element.setStatus(p.LIFE_PERSONALISED);
    await finishPersonalisation(element);
    const digest = await element.digest();
    for (const again of [false, true]) {
      if (again) await element.restart();
      expect(await statusOf(authenticate(element, KEY))).toBe("6985");
      expect(await statusOf(element.putKey(KEY))).toBe("6985");
      for (const [name, work] of commands) expect(await statusOf(work()), name).toBe("6982");
    }
    expect(await element.digest()).toEqual(digest);
  });

  test("terminated: keys wiped, every command refused but SELECT and GET DATA, and so it stays", async () => {
    const chain = await stored();
    await element.setStatus(p.LIFE_TERMINATED);
    for (const again of [false, true]) {
      if (again) await element.restart();
      expect(await life()).toBe(p.LIFE_TERMINATED);
      for (const [name, work] of commands) expect(await statusOf(work()), name).toBe("6985");
      expect(await statusOf(element.putKey(KEY))).toBe("6985");
      expect(await statusOf(element.challenge())).toBe("6985");
      expect(await statusOf(element.verifyPin("1234"))).toBe("6985");
      expect(await statusOf(element.putList(chain))).toBe("6985");
    }
    for (const secret of [0, 1, 3, 4, 5]) expect(chip.simulated.chip.slotKind(secret), `slot ${secret}`).toBe(0);
  });

  test("a cut while the keys are wiped: the rest of them are wiped at the next power-up", async () => {
    await stored();
    let writes = 0;
    chip.simulated.chip.onOperation = ({ kind }) => {
      if (kind !== "slot-write") return undefined;
      writes += 1;
      return writes === 2 ? { cut: "before" } : undefined;
    };
    await expect(element.setStatus(p.LIFE_TERMINATED)).rejects.toThrow();
    chip.simulated.chip.onOperation = undefined;
    await element.restart();
    expect(await life()).toBe(p.LIFE_TERMINATED);
    for (const secret of [0, 1, 3, 4, 5]) expect(chip.simulated.chip.slotKind(secret), `slot ${secret}`).toBe(0);
  });

  test("store gone: the keys go too, and the chip is blank", async () => {
    const order = { role: ROLE_TRANSACTION, pin: "1234", puk: "12345678", id: ID };
    await personalise(element, agencies, order, random, START_SECONDS);
    await finishPersonalisation(element);
    chip.simulated.powerOff();
    const { flash } = chip.simulated.chip;
    for (let page = 0; page < flash.geometry.pageCount; page += 1) flash.erase(page);
    await element.restart();
    expect(await life()).toBe(p.LIFE_BLANK);
    for (const secret of [0, 1, 3, 4, 5]) expect(chip.simulated.chip.slotKind(secret), `slot ${secret}`).toBe(0);
    expect(await statusOf(element.verifyPin("1234"))).toBe("6985");
    await personalise(element, agencies, { ...order, id: new Uint8Array(16).fill(3) }, random, START_SECONDS);
    expect(await life()).toBe(p.LIFE_PERSONALISED);
  });
});
