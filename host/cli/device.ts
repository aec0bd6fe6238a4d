/** `tally device`: the transaction devices of the home, and what their chips say of themselves. */

import type { Command } from "commander";
import { SW_SECURITY_STATUS } from "../../firmware/protocol/apdu.js";
import * as kinds from "../../firmware/protocol/kinds.js";
import { toHex } from "../codec/bytes.js";
import type { Element } from "../element.js";
import { StatusWordError } from "../status-words.js";
import { isRemoteHome } from "../world/home.js";
import { readRemoteWallet } from "../world/remote.js";
import { Site } from "../world/site.js";
import { partsIn } from "../world/wallet.js";
import {
  type DeviceOptions,
  type GlobalOptions,
  homeIfAny,
  outputFor,
  withDevice,
  withLockedDevice,
} from "./context.js";
import { connectedLines, listConnected, watchConnected, withCardAt } from "./device-connected.js";
import { lifeName, nameOfRole, roleName } from "./device-names.js";
import { addPin } from "./device-pin.js";
import { addProvision } from "./device-provision.js";

interface ListOptions extends GlobalOptions {
  readonly watch?: boolean;
}

export function addDevice(program: Command): void {
  const device = program.command("device").description("the transaction devices and their chips");
  device
    .command("list")
    .description("all devices of the home, and what is connected: readers, USB devices, cards")
    .option("--watch", "tell what is connected, and what comes and goes, until it is stopped")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ListOptions>();
      const output = outputFor(options);
      if (options.watch === true) {
        return watchConnected(output);
      }
      const devices = await devicesOf(options);
      const { connected, missing } = await listConnected(options);
      const lines = devices.map(({ name, kind, roles, onCard }) => {
        const where = onCard === true ? ", on a card" : "";
        return `${name.padEnd(12)} ${kind.padEnd(10)} ${roles.join(", ")}${where}`;
      });
      const connectedJson = connected.map(({ isForeign, ...each }) => (isForeign ? { ...each, foreign: true } : each));
      output.result({ devices, connected: connectedJson, unavailable: missing }, [
        ...lines,
        ...connectedLines(connected),
        ...missing,
      ]);
    });
  const info = device
    .command("info")
    .description("what the chips of one device say of themselves")
    .argument("<name>", "a name or a place from `tally device list`")
    .action(async (name: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<DeviceOptions>();
      const elements = await infoOfAny(options, name);
      outputFor(options).result({ name, elements }, elements.flatMap(linesOf));
    });
  withDevice(info);
  addProvision(device);
  addPin(device);
}

/** None where no home was named and none is there: what is connected is worth knowing all the same. */
async function devicesOf(options: GlobalOptions): Promise<ReturnType<typeof listOf>> {
  const home = homeIfAny(options);
  if (home === undefined) return [];
  try {
    if (!isRemoteHome(home)) return listOf(Site.read(partsIn(home)));
    const roles = [kinds.ROLE_CUSTOMER, kinds.ROLE_TRANSACTION].map(nameOfRole);
    const { name, onCard } = readRemoteWallet(home);
    return [{ name, kind: "customer", ...(onCard === true ? { onCard } : {}), roles }];
  } finally {
    await home.close();
  }
}

function listOf({ state }: Site) {
  return state.devices.map(({ name, kind, agent, module, onCard }) => ({
    name,
    kind,
    ...(onCard === true ? { onCard } : {}),
    roles: [agent, module].flatMap((record) => (record === undefined ? [] : [nameOfRole(record.role)])),
  }));
}

/** Of a device of the home, or of whatever is at a place. */
async function infoOfAny(options: DeviceOptions, name: string) {
  const all = async (elements: readonly Element[]) => {
    const infos: Awaited<ReturnType<typeof infoOf>>[] = [];
    for (const element of elements) infos.push(await infoOf(element));
    return infos;
  };
  if (/^[a-z]+:/.test(name)) return withCardAt(name, all);
  return withLockedDevice(options, name, (opened) => all(opened.elements()));
}

async function infoOf(element: Element) {
  const information = await element.information();
  const store = await unlessSecret(element.store());
  const counters = await unlessSecret(element.counters());
  return {
    role: roleName(element),
    id: information.id === undefined ? null : toHex(information.id),
    partner: information.partner === undefined ? null : toHex(information.partner),
    life: lifeName(information.life),
    firmwareVersion: information.firmwareVersion,
    pinTries: counters?.pinTries ?? null,
    badIdListVersion: counters?.listVersion ?? null,
    freeBytes: store?.freeBytes ?? null,
    freeRecords: store?.freeRecords ?? null,
  };
}

/** A purse says little to who has not its PIN. */
async function unlessSecret<Value>(asked: Promise<Value>): Promise<Value | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof StatusWordError && error.status === SW_SECURITY_STATUS) return undefined;
    throw error;
  }
}

function linesOf(info: Awaited<ReturnType<typeof infoOf>>): string[] {
  const { pinTries, badIdListVersion, freeBytes, freeRecords } = info;
  return [
    `${info.role}, ${info.life}, firmware ${info.firmwareVersion}`,
    `  id           ${info.id ?? "none"}`,
    `  partner      ${info.partner ?? "none"}`,
    ...(pinTries === null ? [] : [`  PIN tries    ${pinTries}`]),
    ...(badIdListVersion === null ? [] : [`  bad-id list  version ${badIdListVersion}`]),
    ...(freeBytes === null ? [] : [`  free         ${freeBytes} bytes, ${freeRecords} records`]),
  ];
}
