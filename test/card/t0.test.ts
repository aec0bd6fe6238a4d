/** A card that speaks T=0: what its commands look like, and that the same work gives the same as over T=1. */

import { beforeEach, describe, expect, test } from "vitest";
import { AID_MONEY_MODULE, FILE_LOG } from "../../firmware/protocol/apdu.js";
import { ROLE_TRANSACTION } from "../../firmware/protocol/kinds.js";
import { pay } from "../../host/applications/pay.js";
import { receive } from "../../host/applications/receive.js";
import { toHex } from "../../host/codec/bytes.js";
import { inProcessLink } from "../../host/communications/in-process.js";
import { Device } from "../../host/device.js";
import { Element } from "../../host/element.js";
import { finishPersonalisation, personalise } from "../../host/provision.js";
import { parseMoney } from "../../host/units.js";
import type { CardProtocol } from "../../simulator/card/atr.js";
import { Card, type CardApplication } from "../../simulator/card/card.js";
import { T0Card } from "../../simulator/card/t0.js";
import { AGENT, blankApplications, bytesOf, cardOf, KEY, MODULE, select, transportTo } from "../support/cards.js";
import { issue, ModuleWorld, PIN } from "../support/modules.js";
import { START_SECONDS } from "../support/virtual-time.js";

let applications: readonly CardApplication[];
let card: T0Card;
const answer = (text: string) => toHex(card.transmit(bytesOf(text)));

function cardAnew(seed: string): void {
  applications = blankApplications(seed);
  card = new T0Card(new Card(applications, "T=0"));
  card.powerOn();
}

/** What the same chips say over T=1. */
function overT1(seed: string, ...commands: readonly string[]): string {
  const other = new Card(blankApplications(seed));
  other.powerOn();
  return commands.map((command) => toHex(other.transmit(bytesOf(command)))).at(-1) ?? "";
}

const SELECT = toHex(select(MODULE));
const INFORMATION = "00 ca df 01";

describe("over T=0", () => {
  beforeEach(() => cardAnew("T=0"));

  test("a card has to say that it speaks it", () => {
    expect(() => new T0Card(new Card([], "T=1"))).toThrow(RangeError);
    expect(card.atr).toEqual(new Card([], "T=0").atr);
  });

  test("extended length is refused, and so are lengths that do not fit; the card goes on", () => {
    expect(answer(`00 a4 04 00 00 00 07 ${toHex(MODULE)} 00 00`)).toBe("6700");
    expect(answer(SELECT)).toMatch(/^61/);
    expect(answer(`${INFORMATION} 00 00 00`)).toBe("6700");
    expect(answer(`${INFORMATION} 02 01`)).toBe("6700");
    expect(answer(`${INFORMATION} 01 02 03 04`)).toBe("6700");
    expect(answer("00 ca df")).toBe("6700");
  });

  test("a command with data loses its Le: 61xx, and GET RESPONSE gives what there is", () => {
    const whole = overT1("T=0", SELECT);
    const length = (whole.length - 4) / 2;
    const hex = length.toString(16).padStart(2, "0");
    expect(answer(SELECT)).toBe(`61${hex}`);
    expect(answer(`00 c0 00 00 ${hex}`)).toBe(whole);
    expect(answer("00 c0 00 00 01")).toBe("6985");
    expect(answer(SELECT)).toBe(`61${hex}`);
    expect(answer("00 c0 00 00 00")).toBe(`6c${hex}`);
    expect(answer(`00 c0 00 00 ${hex}`)).toBe(whole);
  });

  test("an Le that is too long is answered with the right one, and that gets the answer", () => {
    answer(SELECT);
    const whole = overT1("T=0", SELECT, `${INFORMATION} 00`);
    const hex = ((whole.length - 4) / 2).toString(16).padStart(2, "0");
    expect(answer(`${INFORMATION} 00`)).toBe(`6c${hex}`);
    expect(answer(`${INFORMATION} ff`)).toBe(`6c${hex}`);
    expect(answer(INFORMATION)).toBe(`6c${hex}`);
    expect(answer(`${INFORMATION} ${hex}`)).toBe(whole);
    expect(answer(`${INFORMATION} ${hex}`)).toBe(whole);
  });

  test("an Le that is too short gives a part, and GET RESPONSE the rest", () => {
    answer(SELECT);
    const whole = overT1("T=0", SELECT, `${INFORMATION} 00`);
    const length = (whole.length - 4) / 2;
    const hex = (bytes: number) => bytes.toString(16).padStart(2, "0");
    // At once, by the applet itself.
    expect(answer(`${INFORMATION} 05`)).toBe(`${whole.slice(0, 10)}61${hex(length - 5)}`);
    expect(answer(`00 c0 00 00 ${hex(length - 5)}`)).toBe(whole.slice(10));
    // Of an answer that waits.
    expect(answer(`${INFORMATION} 00`)).toBe(`6c${hex(length)}`);
    expect(answer(`${INFORMATION} 05`)).toBe(`${whole.slice(0, 10)}61${hex(length - 5)}`);
    expect(answer("00 c0 00 00 00")).toBe(`6c${hex(length - 5)}`);
    expect(answer("00 c0 00 00 03")).toBe(`${whole.slice(10, 16)}61${hex(length - 8)}`);
    expect(answer(`00 c0 00 00 ${hex(length - 8)}`)).toBe(whole.slice(16));
    expect(answer("00 c0 00 00 01")).toBe("6985");
  });

  test("the command is run once: of two challenges the one that was announced is given", () => {
    answer(SELECT);
    answer(`80 d8 00 00 20 ${KEY}`);
    let runs = 0;
    const { element } = applications[0] as CardApplication;
    const transmit = element.transmit.bind(element);
    element.transmit = (command) => {
      runs += 1;
      return transmit(command);
    };
    expect(answer("00 84 00 00 00")).toBe("6c20");
    const challenge = answer("00 84 00 00 20");
    expect(challenge).toHaveLength(68);
    expect(runs).toBe(1);
    expect(answer("00 84 00 00 20")).not.toBe(challenge);
    expect(runs).toBe(2);
  });

  test("what waits is given up for another command, and for a reset", () => {
    answer(SELECT);
    answer(`80 d8 00 00 20 ${KEY}`);
    for (const between of [
      () => answer(`${INFORMATION} 00`),
      () => answer("00 84 00 00 01 02 03"),
      () => answer("40 84 00 00"),
    ]) {
      expect(answer("00 84 00 00 00")).toBe("6c20");
      const given = answer("00 84 00 00 20");
      expect(answer("00 84 00 00 00")).toBe("6c20");
      between();
      expect(answer("00 84 00 00 20")).not.toBe(given);
    }
    expect(answer("00 84 00 00 00")).toBe("6c20");
    card.powerOn();
    expect(answer("00 84 00 00 20")).toBe("6985");
  });

  test("every channel has an answer of its own that waits, and none of them outlives the channel", () => {
    expect(answer("00 70 00 00 00")).toBe("6c01");
    expect(answer("00 70 00 00 01")).toBe("019000");
    answer(SELECT);
    expect(toHex(card.transmit(select(AGENT, 1)))).toMatch(/^61/);
    expect(answer(`${INFORMATION} 00`)).toMatch(/^6c/);
    expect(answer("01 ca df 01 00")).toMatch(/^6c/);
    expect(answer(`${INFORMATION} 05`)).toMatch(/^df01.*61/);
    expect(answer("01 ca df 01 05")).toMatch(/^df01.*61/);
    expect(answer("01 c0 00 00 02")).toMatch(/61..$/);
    expect(answer("00 c0 00 00 02")).toMatch(/61..$/);
    expect(answer("01 c0 00 00 02")).toMatch(/61..$/);
    expect(answer("01 ca df 01 00")).toMatch(/^6c/);
    expect(answer("00 70 80 01")).toBe("9000");
    expect(answer("00 70 00 01")).toBe("9000");
    expect(answer("01 c0 00 00 02")).toBe("6985");
    expect(answer("01 ca df 01 00")).toBe("6985");
  });
});

/** The same module on a card, over one protocol: what it has and says after it has paid and was paid. */
async function lifeOver(protocol: CardProtocol) {
  const world = new ModuleWorld("one life");
  const { generator, teller } = await world.bank();
  const [alice, bob] = [await world.module("alice"), await world.module("bob")];
  await issue(generator, teller, "20.00 USD", [700n, 700n, 600n]);
  await issue(teller, alice, "20.00 USD");
  const onCard = cardOf([{ aid: MODULE, element: alice.simulated }], protocol);
  onCard.powerOn();
  const module = await Element.select(transportTo(onCard, protocol === "T=1"), AID_MONEY_MODULE);
  const device = new Device({ name: "alice", module, clock: world.time, timers: world.time });
  await device.unlock(PIN);
  const [a, b] = inProcessLink();
  await world.time.run(Promise.all([pay(device, a, parseMoney("7.31 USD")), receive(bob.device, b)]));
  const [c, d] = inProcessLink();
  await world.time.run(Promise.all([pay(bob.device, c, parseMoney("0.30 USD")), receive(device, d)]));
  return {
    digest: toHex(await module.digest()),
    chain: toHex(await module.chain()),
    balances: await module.balances(),
    notes: await module.notes(),
    log: await module.log(),
    records: await module.records(FILE_LOG),
  };
}

test("the same work gives the same, to the last record of the store, over T=0 and over T=1", async () => {
  const over1 = await lifeOver("T=1");
  expect(over1.balances).toMatchObject([{ spendable: 1299n }]);
  expect(over1.chain.length / 2).toBeGreaterThan(256);
  expect(await lifeOver("T=0")).toEqual(over1);
});

test("a blank chip is personalised over T=0", async () => {
  cardAnew("personalised");
  const world = new ModuleWorld("personalised");
  const module = await Element.select(transportTo(card, false), AID_MONEY_MODULE);
  const order = { role: ROLE_TRANSACTION, pin: PIN, puk: "12345678" };
  const { id } = await personalise(module, world.agencies, order, world.random, START_SECONDS);
  await finishPersonalisation(module);
  expect(toHex(module.id)).toBe(id);
});
