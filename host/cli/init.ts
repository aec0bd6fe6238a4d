/** `tally init`: makes an economy in the home. `tally audit`: where each cent of it is. */

import type { Command } from "commander";
import { FolderHome } from "../world/home.js";
import { createWorld } from "../world/init.js";
import { partsIn } from "../world/wallet.js";
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
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const audit = await withWorld(options, (world) => world.audit());
      outputFor(options).result({ audit }, auditLines(audit));
      if (!audit.every((line) => line.balanced)) process.exitCode = EXIT_FAILED;
    });
}
