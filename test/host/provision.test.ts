import { describe, expect, test } from "vitest";
import {
  INS_ENVELOPE,
  LIFE_BLANK,
  LIFE_INITIALISED,
  LIFE_OPERATIONAL,
  LIFE_PERSONALISED,
  LIFE_TERMINATED,
  STORE_DATA_PIN,
  SW_CONDITIONS,
  SW_UNKNOWN,
} from "../../firmware/protocol/apdu.js";
import {
  ROLE_CUSTOMER,
  ROLE_MERCHANT,
  ROLE_PURSE,
  ROLE_TRANSACTION,
  SIGNED_REQUEST,
} from "../../firmware/protocol/kinds.js";
import { Agency, newAgencies, RequestRefusedError } from "../../host/agencies.js";
import { ChipFactory, type SimulatedChip } from "../../host/chips.js";
import { fromHex } from "../../host/codec/bytes.js";
import { encode } from "../../host/codec/cbor.js";
import { verifyChain } from "../../host/codec/certificate.js";
import { sign1 } from "../../host/codec/cose.js";
import { ed25519Signer, hmacSha256, x25519Agree, x25519KeyPair } from "../../host/crypto.js";
import { Device } from "../../host/device.js";
import {
  authenticate,
  ChipTakenError,
  continuePersonalisation,
  finishPersonalisation,
  NotPairedError,
  newRecord,
  openPersonalisation,
  type PersonalisationRecord,
  pair,
  personalise,
} from "../../host/provision.js";
import { systemRandom } from "../../host/randomness.js";
import { StatusWordError } from "../../host/status-words.js";
import { START_SECONDS, VirtualTime } from "../support/virtual-time.js";

const order = { role: ROLE_TRANSACTION, pin: "1234", puk: "12345678" };

function newWorld() {
  const secrets = newAgencies(systemRandom, Number(START_SECONDS));
  const agencies = { agents: new Agency(secrets.agents), modules: new Agency(secrets.modules) };
  const time = new VirtualTime();
  const chips = new ChipFactory({ clock: time.clock, debugFirmware: true });
  return { agencies, time, chips };
}

describe("personalisation", () => {
  test("a blank chip becomes an element whose chain ends at the agency's root", async () => {
    const { agencies, chips } = newWorld();
    const { element } = await chips.chip("module", "module");
    expect(element.known).toMatchObject({ life: LIFE_BLANK, role: 0, id: undefined });
    const record = await personalise(element, agencies, order, systemRandom, START_SECONDS);
    expect(element.known).toMatchObject({ life: LIFE_PERSONALISED, role: ROLE_TRANSACTION });
    expect(element.idHex).toBe(record.id);
    const { device } = verifyChain(await element.chain(), agencies.modules.root, Number(START_SECONDS));
    expect(device.role).toBe(ROLE_TRANSACTION);
    await finishPersonalisation(element);
    expect(element.known.life).toBe(LIFE_OPERATIONAL);
    const closed = authenticate(element, fromHex(record.personalisationKey));
    await expect(closed).rejects.toThrow(StatusWordError);
  });

  test("behind a reader for short APDUs just as well", async () => {
    const { agencies, chips } = newWorld();
    const { element, transport } = await chips.chip("module", "module");
    Object.defineProperty(transport, "extendedLength", { value: false });
    await personalise(element, agencies, order, systemRandom, START_SECONDS);
    expect(element.known.life).toBe(LIFE_PERSONALISED);
  });

  test("the wrong personalisation key opens nothing, and a challenge is good for one try", async () => {
    const { agencies, chips } = newWorld();
    const { element } = await chips.chip("module", "module");
    await element.putKey(crypto.getRandomValues(new Uint8Array(32)));
    await expect(authenticate(element, new Uint8Array(32).fill(3))).rejects.toThrow(/PIN|6982/);
    await expect(
      element.generateKeyPair(new Uint8Array(16).fill(1), 17, agencies.modules.agreementKey),
    ).rejects.toThrow(StatusWordError);
    await expect(element.putKey(new Uint8Array(32).fill(9))).rejects.toThrow(StatusWordError);
  });

  test("a default key is refused", async () => {
    const { chips } = newWorld();
    const { element } = await chips.chip("module", "module");
    const rising = Uint8Array.from({ length: 32 }, (_, i) => 0x40 + (i % 16));
    for (const key of [new Uint8Array(32), new Uint8Array(32).fill(0xff), rising]) {
      await expect(element.putKey(key)).rejects.toThrow(StatusWordError);
    }
  });

  test("PIN and PUK: wrong tries are counted, the PUK unblocks", async () => {
    const { agencies, chips } = newWorld();
    const { element } = await chips.chip("module", "module");
    await personalise(element, agencies, order, systemRandom, START_SECONDS);
    await finishPersonalisation(element);
    expect(await element.pinTriesLeft()).toBe(3);
    await expect(element.verifyPin("9999")).rejects.toMatchObject({ triesLeft: 2 });
    await expect(element.balances()).rejects.toThrow(/PIN first/);
    await element.verifyPin("1234");
    expect(await element.balances()).toEqual([]);
    for (let i = 0; i < 3; i += 1) await expect(element.verifyPin("0000")).rejects.toThrow(StatusWordError);
    await expect(element.verifyPin("1234")).rejects.toThrow(/blocked/);
    await element.unblockPin("12345678", "4321");
    await element.verifyPin("4321");
    await element.changePin("4321", "5555");
    await element.verifyPin("5555");
  });

  test("a request that another key signed, for another subject or another issuer is refused", async () => {
    const { agencies, chips } = newWorld();
    const { element } = await chips.chip("module", "module");
    const key = crypto.getRandomValues(new Uint8Array(32));
    await element.putKey(key);
    await authenticate(element, key);
    const id = new Uint8Array(16).fill(5);
    const request = await element.generateKeyPair(id, ROLE_TRANSACTION, agencies.modules.agreementKey);
    const now = Number(START_SECONDS);
    expect(agencies.modules.readRequest(request).id).toEqual(id);
    const other = { id: new Uint8Array(16).fill(6), role: ROLE_TRANSACTION };
    expect(() => agencies.modules.certify(request, other, now)).toThrow(RequestRefusedError);
    expect(() => agencies.agents.readRequest(request)).toThrow(RequestRefusedError);
    for (let at = 0; at < request.length; at += 7) {
      const broken = request.slice();
      broken[at] = (broken[at] ?? 0) ^ 1;
      expect(() => agencies.modules.readRequest(broken), `byte ${at}`).toThrow();
    }
  });
});

describe("proof of possession", () => {
  test("a well-signed request for an agreement key that its maker does not own is refused", () => {
    const { agencies } = newWorld();
    const signer = ed25519Signer(new Uint8Array(32).fill(11));
    const own = x25519KeyPair(new Uint8Array(32).fill(12));
    const id = new Uint8Array(16).fill(13);
    const issuerKey = agencies.modules.agreementKey;
    const label = new TextEncoder().encode("tallystick possession");
    const requestWith = (agreementKey: Uint8Array, secret: Uint8Array) => {
      const said = Uint8Array.of(...label, ...signer.publicKey, ...agreementKey, ...id);
      const proof = hmacSha256(x25519Agree(secret, issuerKey), said);
      const body = [1, id, ROLE_TRANSACTION, signer.publicKey, agreementKey, issuerKey, proof];
      return sign1(SIGNED_REQUEST, encode(body), signer);
    };
    expect(agencies.modules.readRequest(requestWith(own.publicKey, own.secretKey)).agreementKey).toEqual(own.publicKey);
    const somebodyElses = x25519KeyPair(new Uint8Array(32).fill(14)).publicKey;
    const stolen = requestWith(somebodyElses, own.secretKey);
    expect(() => agencies.modules.readRequest(stolen)).toThrow(RequestRefusedError);
  });
});

describe("pairing", () => {
  test("agent and module of one device know each other afterwards, and only then become operational", async () => {
    const { agencies, chips, time } = newWorld();
    for (const role of [ROLE_CUSTOMER, ROLE_MERCHANT]) {
      const agent = (await chips.chip(`agent ${role}`, "agent")).element;
      const module = (await chips.chip(`module ${role}`, "module")).element;
      await personalise(agent, agencies, { ...order, role }, systemRandom, START_SECONDS);
      await personalise(module, agencies, order, systemRandom, START_SECONDS);
      const device = new Device({ name: "device", agent, module, clock: time, timers: time });
      await time.run(pair(device));
      expect(agent.known.partner).toEqual(module.id);
      expect(module.known.partner).toEqual(agent.id);
      await finishPersonalisation(agent);
      await finishPersonalisation(module);
      await device.unlock("1234");
      expect(device.isOperational).toBe(true);
      expect((await module.counters()).now_seconds).toBe(START_SECONDS);
    }
  });
});

test("a chip that stops while it is paired is not waited for", async () => {
  const { agencies, chips, time } = newWorld();
  const agent = await chips.chip("agent", "agent");
  const module = await chips.chip("module", "module");
  await personalise(agent.element, agencies, { ...order, role: ROLE_CUSTOMER }, systemRandom, START_SECONDS);
  await personalise(module.element, agencies, order, systemRandom, START_SECONDS);
  const parts = { agent: agent.element, module: module.element, clock: time, timers: time };
  const device = new Device({ name: "pair", ...parts });
  const { transmit } = module.transport;
  /** The pairing begins well, and at its last envelope the module refuses: that, or whatever comes. */
  const refusing = (status: number, refusesAll: boolean) => {
    let envelopes = 0;
    module.transport.transmit = (apdu) => {
      const isEnvelope = apdu[1] === INS_ENVELOPE;
      if (isEnvelope) envelopes += 1;
      const isRefused = envelopes >= 3 && (refusesAll || isEnvelope);
      return isRefused ? Uint8Array.of(status >> 8, status & 0xff) : transmit.call(module.transport, apdu);
    };
  };
  refusing(SW_UNKNOWN, true);
  await expect(pair(device)).rejects.toThrow(/The chip stopped/);
  refusing(SW_CONDITIONS, false);
  await expect(pair(device)).rejects.toThrow(NotPairedError);
  module.transport.transmit = (apdu) => transmit.call(module.transport, apdu);
  await pair(device);
  expect(module.element.known.partner).toEqual(agent.element.id);
});

describe("personalisation that is gone on with", () => {
  /** Finds how far the chip is after its next power-up, and goes on. */
  async function goOn(world: ReturnType<typeof newWorld>, { element }: SimulatedChip, record: PersonalisationRecord) {
    await element.restart();
    const progress = await openPersonalisation(element, record);
    const told: number[] = [];
    const initialised = () => told.push(element.known.life);
    const asked = { ...order, role: record.role, record, progress, initialised };
    await continuePersonalisation(element, world.agencies, asked, START_SECONDS);
    return { progress, told: told.length };
  }

  test.each([
    ["agent", ROLE_CUSTOMER],
    ["module", ROLE_TRANSACTION],
    ["purse", ROLE_PURSE],
  ] as const)("a chip says how far it is, and gets what it lacks: %s", async (sort, role) => {
    const world = newWorld();
    const chip = await world.chips.chip(sort, sort);
    const { element } = chip;
    const record = newRecord({ role }, systemRandom);
    expect(await openPersonalisation(element, record)).toBe("blank");
    await element.putKey(fromHex(record.personalisationKey));
    await authenticate(element, fromHex(record.personalisationKey));
    // Half of what belongs to it, and keys that a chain will not be for.
    await element.generateKeyPair(fromHex(record.id), role, world.agencies.agents.agreementKey);
    await element.storeData(STORE_DATA_PIN, new TextEncoder().encode("9999"));
    expect(await goOn(world, chip, record)).toEqual({ progress: "initialised", told: 1 });
    expect(element.known.life).toBe(LIFE_PERSONALISED);
    expect(await goOn(world, chip, record)).toEqual({ progress: "personalised", told: 0 });
    await finishPersonalisation(element);
    await element.verifyPin(order.pin);
    expect(element.idHex).toBe(record.id);
    if (sort === "purse") {
      // It is not asked for the PIN to say that it is somebody's.
      await expect(goOn(world, chip, record)).rejects.toThrow(ChipTakenError);
    } else {
      expect(await goOn(world, chip, record)).toEqual({ progress: "operational", told: 0 });
    }
  });

  test("another's is refused wherever it is, and at its end everybody's", async () => {
    const world = newWorld();
    const chip = await world.chips.chip("module", "module");
    const { element } = chip;
    const record = newRecord({ role: ROLE_TRANSACTION }, systemRandom);
    const other = newRecord({ role: ROLE_TRANSACTION }, systemRandom);
    const others = [other, { ...other, id: record.id }, { ...record, id: other.id }];
    await element.putKey(fromHex(record.personalisationKey));
    const refusedBy = async (lives: number, wrong: readonly PersonalisationRecord[]) => {
      expect((await element.information()).life).toBe(lives);
      for (const each of wrong) await expect(openPersonalisation(element, each)).rejects.toThrow(ChipTakenError);
    };
    // It has no id yet: who has the key is right.
    await refusedBy(LIFE_INITIALISED, [other]);
    await goOn(world, chip, record);
    await refusedBy(LIFE_PERSONALISED, [...others, { ...record, role: ROLE_MERCHANT }]);
    expect(await openPersonalisation(element, record)).toBe("personalised");
    const ended = await world.chips.chip("ended", "module");
    await ended.element.putKey(fromHex(record.personalisationKey));
    await authenticate(ended.element, fromHex(record.personalisationKey));
    await ended.element.setStatus(LIFE_TERMINATED);
    await expect(openPersonalisation(ended.element, record)).rejects.toThrow(/not blank \(terminated\)/);
    await finishPersonalisation(element);
    await refusedBy(LIFE_OPERATIONAL, [other, { ...record, id: other.id }, { ...record, role: ROLE_MERCHANT }]);
  });
});
