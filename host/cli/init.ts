/** `tally init`: makes an economy in the home. `tally audit`: where each cent of it is. */

import type { Command } from "commander";
import { FolderHome } from "../world/home.js";
import { createWorld } from "../world/init.js";
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
      const { audit, missing } = await withWorld(options, (world) => auditWith(world, wallets));
      const counted = `Not counted: ${missing.join(", ")}, in homes of their own. Add --with FOLDER=PIN for each.`;
      outputFor(options).result({ audit, missing }, [...auditLines(audit), ...(missing.length > 0 ? [counted] : [])]);
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

/** Audits the world together with wallets that are elsewhere, and says which of those that joined it were not there. */
async function auditWith(world: World, wallets: readonly WalletElsewhere[]) {
  const opened: Awaited<ReturnType<typeof openRemoteDevice>>[] = [];
  try {
    for (const { folder, pin } of wallets) opened.push(await openRemoteDevice(partsIn(homeIn(folder)), pin));
    const devices = opened.map(({ device }) => device);
    for (const { name, module } of devices) {
      const isOurs = world.site.plan.customers.some((each) => each.name === name && each.elsewhere === true);
      if (!isOurs || world.site.moduleOf(name) !== module.idHex) throw new StrangerError(name);
    }
    // Of one that is unfinished the owner may know the PIN already.
    const away = world.state.customers.filter((each) => {
      return each.elsewhere !== undefined || (each.unfinished?.complete === true && each.unfinished.into !== undefined);
    });
    return {
      audit: await world.audit(devices),
      missing: away.map(({ name }) => name).filter((name) => !devices.some((device) => device.name === name)),
    };
  } finally {
    for (const { close } of opened) await close();
  }
}
