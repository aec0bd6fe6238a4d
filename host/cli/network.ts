/** `tally network`: the card authorization network, and the merchants' directory for wallets elsewhere. */

import type { Command } from "commander";
import { serveNetwork } from "../world/serve.js";
import { type GlobalOptions, outputFor, withSite } from "./context.js";
import { type PlaceOptions, placeOf, portNumber, tell, untilStopped } from "./serving.js";

type ServeOptions = GlobalOptions & PlaceOptions & { readonly directoryPort?: number };

export function addNetwork(program: Command): void {
  const network = program.command("network").description("the card authorization network");
  network
    .command("serve")
    .description("serve merchants over ISO 8583, and the directory over HTTP, until stopped")
    .option("--port <number>", "port for ISO 8583, on loopback only (default: any)", portNumber)
    .option("--directory-port <number>", "port for the directory (default: any)", portNumber)
    .option("--host <address>", "interface for the directory (default: 127.0.0.1)")
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<ServeOptions>();
      const output = outputFor(options);
      await untilStopped((stop) =>
        withSite(options, async (site) => {
          const { directoryPort } = options;
          const place = { ...placeOf(options), ...(directoryPort === undefined ? {} : { directoryPort }) };
          const served = await serveNetwork(site, place, (event) => {
            // Its own word that it is ready is said below, with the directory's.
            if (event["event"] !== "ready") tell(output, event, Object.values(event).join(" "));
          });
          const ready = `The card network serves merchants at ${served.url}, and the directory at ${served.directory.url}. Ctrl-C ends it.`;
          tell(output, { event: "ready", url: served.url, directory: served.directory.url }, ready);
          await stop.told;
          await served.close();
        }),
      );
    });
}
