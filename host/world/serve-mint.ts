/** The home's issuers of token halves as servers. */

import { checkPublic } from "../communications/address.js";
import type { ServerPlace } from "../servers/bank-server.js";
import { MintServer } from "../tokens/http/mint-server.js";
import type { Served } from "./serve.js";
import type { HomeTokens, IssuerName } from "./tokens.js";

export interface ServedMint extends Served {
  /** Of the authorization service. */
  readonly clearanceUrl: string;
}

/** The mint and the authorization service. */
export async function serveMint(
  tokens: HomeTokens,
  place: ServerPlace & { readonly clearancePort?: number } = {},
): Promise<ServedMint> {
  checkPublic(place);
  const { home } = tokens.site.parts;
  const opened: MintServer[] = [];
  const open = async (name: IssuerName, at: ServerPlace) => {
    const server = await MintServer.open(await tokens.mint(name), at);
    opened.push(server);
    home.announce(name, server.url);
    return server.url;
  };
  const close = async () => {
    for (const server of opened) await server.close();
    await tokens.close();
  };
  const { host, clearancePort } = place;
  const beside = {
    ...(host === undefined ? {} : { host }),
    ...(clearancePort === undefined ? {} : { port: clearancePort }),
  };
  try {
    const url = await open("mint", place);
    const clearanceUrl = await open("clearance", beside);
    return { url, clearanceUrl, close };
  } catch (error) {
    await close();
    throw error;
  }
}
