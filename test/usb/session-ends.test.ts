/** What a program that went away without a word leaves to the next one that asks the device something: nothing. */

import { expect, test } from "vitest";
import { AID_MONEY_MODULE, REFERENCE_PIN } from "../../firmware/protocol/apdu.js";
import { ROLE_CUSTOMER } from "../../firmware/protocol/kinds.js";
import { COMMAND_MSG } from "../../firmware/usb/ctaphid.js";
import { aidOf } from "../../host/applets.js";
import { Element } from "../../host/element.js";
import { CtapHidClient } from "../../host/transports/ctaphid-client.js";
import { HidTransport, LOCK_SECONDS } from "../../host/transports/hid.js";
import { Card } from "../../simulator/card/card.js";
import { AgentWorld, PIN } from "../support/agents.js";
import { Port } from "./port.js";
import { initialization } from "./reports.js";

const VERIFIED = Uint8Array.of(0x90, 0x00);
/** The one that a device gives first. */
const FIRST_CHANNEL = 1;
const IS_PIN_VERIFIED = Uint8Array.of(0x00, 0x20, 0x00, REFERENCE_PIN);

/** A card whose owner's PIN a program has verified, and who comes next. */
async function verifiedBy(name: string) {
  const world = new AgentWorld(name);
  const { module } = await world.device("Customer", ROLE_CUSTOMER);
  if (module === undefined) throw new Error("a device with both chips");
  const port = new Port(new Card([{ aid: aidOf(AID_MONEY_MODULE), element: module.simulated }]), {}, world.time);
  const program = { isKilled: false };
  const time = {
    now_ms: () => port.lineTime.now_ms(),
    after: (wait_ms: number, call: () => void) => port.lineTime.after(wait_ms, () => program.isKilled || call()),
  };
  const transport = await world.time.run(HidTransport.open(port.line(), { time, random: port.random }));
  const element = await world.time.run(Element.select(transport, AID_MONEY_MODULE));
  await world.time.run(element.verifyPin(PIN));
  expect(await world.time.run(transport.transmit(IS_PIN_VERIFIED))).toEqual(VERIFIED);
  const wait = (wait_ms: number) =>
    world.time.run(new Promise<void>((resolve) => void world.time.after(wait_ms, resolve)));
  return { world, port, program, transport, wait };
}

test("a verified PIN does not outlive the lock of a program that was killed", { timeout: 60_000 }, async () => {
  const { world, port, program, wait } = await verifiedBy("usb killed");
  program.isKilled = true;
  await wait(1000 * LOCK_SECONDS + 1);
  // Another program, which restarts nothing.
  const other = new CtapHidClient(port.line(), port.lineTime, port.random);
  await world.time.run(other.initialize());
  expect(await world.time.run(other.exchange(COMMAND_MSG, IS_PIN_VERIFIED))).not.toEqual(VERIFIED);
});

test("... nor does it come back with the program's own channel", { timeout: 60_000 }, async () => {
  const { port, program, wait } = await verifiedBy("usb held up");
  program.isKilled = true;
  await wait(1000 * LOCK_SECONDS + 1);
  const line = port.line();
  const answers: Uint8Array[] = [];
  line.onReport = (report) => answers.push(report);
  line.write(initialization(FIRST_CHANNEL, COMMAND_MSG, IS_PIN_VERIFIED));
  await wait(1);
  expect(answers.map((report) => report.slice(7, 9))).not.toContainEqual(VERIFIED);
});

test("while the lock is held the session goes on, however long", { timeout: 60_000 }, async () => {
  const { world, transport, wait } = await verifiedBy("usb held");
  await wait(20_000 * LOCK_SECONDS);
  expect(await world.time.run(transport.transmit(IS_PIN_VERIFIED))).toEqual(VERIFIED);
  await world.time.run(transport.close());
});
