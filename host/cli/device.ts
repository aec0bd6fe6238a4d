/** `tally device`: the transaction devices of the home, and what their chips say of themselves. */

import type { Command } from "commander";
import * as apdu from "../../firmware/protocol/apdu.js";
import * as kinds from "../../firmware/protocol/kinds.js";
import { toHex } from "../codec/bytes.js";
import type { Element } from "../element.js";
import type { Site } from "../world/site.js";
import { type GlobalOptions, outputFor, withLockedDevice, withSite } from "./context.js";
import { addPin } from "./device-pin.js";
import { addProvision } from "./device-provision.js";

const ROLES: ReadonlyMap<number, string> = new Map([
  [kinds.ROLE_CUSTOMER, "customer's agent"],
  [kinds.ROLE_MERCHANT, "merchant's agent"],
  [kinds.ROLE_AUTHORITY, "authority's agent"],
  [kinds.ROLE_TRANSACTION, "money module"],
  [kinds.ROLE_TELLER, "teller's money module"],
  [kinds.ROLE_GENERATOR, "money generator"],
]);

const LIVES: ReadonlyMap<number, string> = new Map([
  [apdu.LIFE_BLANK, "blank"],
  [apdu.LIFE_INITIALISED, "initialised"],
  [apdu.LIFE_PERSONALISED, "personalised"],
  [apdu.LIFE_OPERATIONAL, "operational"],
  [apdu.LIFE_TERMINATED, "terminated"],
]);

export function addDevice(program: Command): void {
  const device = program.command("device").description("the transaction devices and their chips");
  device
    .command("list")
    .description("all devices of the home")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const devices = await withSite(options, async (site) => listOf(site));
      const lines = devices.map(({ name, kind, roles }) => `${name.padEnd(12)} ${kind.padEnd(10)} ${roles.join(", ")}`);
      outputFor(options).result({ devices }, lines);
    });
  device
    .command("info")
    .description("what the chips of one device say of themselves")
    .argument("<name>", "a name from `tally device list`")
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const elements = await withLockedDevice(options, name, (opened) => Promise.all(opened.elements().map(infoOf)));
      outputFor(options).result({ name, elements }, elements.flatMap(linesOf));
    });
  addProvision(device);
  addPin(device);
}

function listOf({ state }: Site) {
  return state.devices.map(({ name, kind, agent, module }) => ({
    name,
    kind,
    roles: [agent, module].flatMap((record) => (record === undefined ? [] : [roleName(record.role)])),
  }));
}

function roleName(role: number): string {
  return ROLES.get(role) ?? `role ${role}`;
}

async function infoOf(element: Element) {
  const information = await element.information();
  const store = await element.store();
  const counters = await element.counters();
  return {
    role: roleName(information.role),
    id: information.id === undefined ? null : toHex(information.id),
    partner: information.partner === undefined ? null : toHex(information.partner),
    life: LIVES.get(information.life) ?? `state ${information.life}`,
    firmwareVersion: information.firmwareVersion,
    pinTries: counters.pinTries,
    badIdListVersion: counters.listVersion,
    freeBytes: store.freeBytes,
    freeRecords: store.freeRecords,
  };
}

function linesOf(info: Awaited<ReturnType<typeof infoOf>>): string[] {
  return [
    `${info.role}, ${info.life}, firmware ${info.firmwareVersion}`,
    `  id           ${info.id ?? "none"}`,
    `  partner      ${info.partner ?? "none"}`,
    `  PIN tries    ${info.pinTries}`,
    `  bad-id list  version ${info.badIdListVersion}`,
    `  free         ${info.freeBytes} bytes, ${info.freeRecords} records`,
  ];
}
