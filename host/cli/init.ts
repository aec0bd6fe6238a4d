/** `tally init`: makes an economy in the home. `tally audit`: where each cent of it is. */

import type { Command } from "commander";
import { ChipsNotFoundError } from "../cards/find.js";
import { FolderHome } from "../world/home.js";
import { createWorld } from "../world/init.js";
import type { OwnersDevice } from "../world/owners-device.js";
import { openRemoteDevice } from "../world/remote.js";
import { homeIn, partsIn } from "../world/wallet.js";
import type { World } from "../world/world.js";
import { type GlobalOptions, homePath, outputFor, withWorld } from "./context.js";
import { auditLines, EXIT_FAILED } from "./output.js";

export function addInit(program: Command): void {
  program
    .command("init")
    .description("make an economy in the home: a bank, a card network, two merchants, three customers")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const output = outputFor(options);
      const home = new FolderHome(homePath(options));
      try {
        const world = await createWorld(partsIn(home), (what) => output.progress(what));
        await world.bank.idle();
        const devices = [...world.devices.keys()];
        output.result({ home: home.place, devices }, [
          `An economy is ready in ${home.place}: ${devices.join(", ")}.`,
          'Buy some money with: tally wallet buy alice "USD 20.00" --yes',
        ]);
        await world.close();
      } finally {
        await home.close();
      }
    });

  program
    .command("audit")
    .description("count all electronic money: in modules, on its way, redeemed")
    .option("--with <folder=pin...>", "count wallets in homes of their own too")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions & { with?: readonly string[] }>();
      const wallets = (options.with ?? []).map(walletElsewhere);
      const { audit, away, onCards } = await withWorld(options, (world) => auditWith(world, wallets));
      const missing = [...away, ...onCards];
      outputFor(options).result({ audit, missing }, [
        ...auditLines(audit),
        ...(away.length > 0
          ? [`Not counted: ${away.join(", ")}, in homes of their own. Add --with FOLDER=PIN for each.`]
          : []),
        ...(onCards.length > 0
          ? [
              `Not counted: ${onCards.join(", ")}, on cards that are not here. Put them into readers, or name their serial lines in TALLY_SERIAL.`,
            ]
          : []),
      ]);
      if (!audit.every((line) => line.balanced)) process.exitCode = EXIT_FAILED;
    });
}

/** A wallet of another economy: its money was issued there. */
class StrangerError extends Error {
  constructor(name: string) {
    super(`The wallet of ${name} is not of this economy. Nothing was counted and no money moved. Leave it out.`);
    this.name = "StrangerError";
  }
}

interface WalletElsewhere {
  readonly folder: string;
  readonly pin: string;
}

function walletElsewhere(text: string): WalletElsewhere {
  const [, folder, pin] = /^(.+)=(\d+)$/.exec(text) ?? [];
  if (folder !== undefined && pin !== undefined) return { folder, pin };
  throw new Error(
    `"${text}" is not FOLDER=PIN. Nothing was counted and no money moved. Say it as ./daves-home=123456.`,
  );
}

/**
 * Audits the world together with wallets that are elsewhere and cards that are in readers, and says which of those that joined it
 * were not there.
 */
async function auditWith(world: World, wallets: readonly WalletElsewhere[]) {
  const opened: OwnersDevice[] = [];
  try {
    for (const { folder, pin } of wallets) opened.push(await openRemoteDevice(partsIn(homeIn(folder)), pin));
    const devices = opened.map(({ device }) => device);
    for (const { name, module } of devices) {
      const isOurs = world.site.plan.customers.some((each) => each.name === name && each.elsewhere === true);
      if (!isOurs || world.site.moduleOf(name) !== module.idHex) throw new StrangerError(name);
    }
    const { onCards } = world.site;
    for (const name of onCards) {
      const found = await cardOf(world, name);
      if (found === undefined) continue;
      opened.push(found);
      await found.device.unlock(world.site.record(name).pin);
      devices.push(found.device);
    }
    const isMissing = (name: string) => !devices.some((device) => device.name === name);
    // Of one that is unfinished the owner may know the PIN already.
    const away = world.state.customers.filter((each) => {
      return each.elsewhere !== undefined || (each.unfinished?.complete === true && each.unfinished.into !== undefined);
    });
    return {
      audit: await world.audit(devices),
      away: away.map(({ name }) => name).filter(isMissing),
      onCards: onCards.filter(isMissing),
    };
  } finally {
    for (const { close } of opened) await close();
  }
}

/** The card of one of the home's devices, wherever it is; undefined: nowhere. */
async function cardOf({ site }: World, name: string): Promise<OwnersDevice | undefined> {
  try {
    return await site.ownersDevice(name);
  } catch (error) {
    if (error instanceof ChipsNotFoundError) return undefined;
    throw error;
  }
}
