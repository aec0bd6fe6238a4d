/** Addresses of lines: WebSocket URLs, and nothing else. */

import { LineAddressError } from "./errors.js";

export const ADDRESS_CHARS_MAX = 512;
const SHOWN_CHARS_MAX = 80;

/** The URL of a line, or LineAddressError. */
export function lineAddress(text: string): URL {
  // Whoever wrote it may be a stranger, and what is shown goes to a terminal.
  const printable = text.slice(0, SHOWN_CHARS_MAX).replace(/[^\x20-\x7e]/g, "?");
  const shown = text.length > SHOWN_CHARS_MAX ? `${printable}...` : printable;
  if (text.length > ADDRESS_CHARS_MAX) throw new LineAddressError(`"${shown}" is too long for an address.`);
  if (!/^wss?:\/\//i.test(text)) throw new LineAddressError(`"${shown}" is not an address of a line.`);
  // What a URL parser would silently repair or leave out is a slip of whoever wrote it.
  const isPrintable = /^[\x21-\x7e]*$/.test(text);
  if (!isPrintable || !URL.canParse(text)) throw new LineAddressError(`"${shown}" is not an address.`);
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new LineAddressError("The address has a name or a password in it, and a line knows neither.");
  }
  if (url.hash !== "" || text.includes("#")) throw new LineAddressError(`"${shown}" points into a page with "#".`);
  return url;
}

/** Interfaces that stand for all of them. */
const WILDCARDS: readonly string[] = ["0.0.0.0", "::", "[::]"];

/** Nobody can connect to "every interface". */
export class PublicAddressError extends Error {
  constructor(host: string) {
    super(
      `${host} means every interface of this machine, which is no address for others to connect to. Nothing was opened and no ` +
        "money moved. Say under which address they find it with --public-url, for example ws://192.0.2.7 or wss://bank.example.",
    );
    this.name = "PublicAddressError";
  }
}

/** Refuses what others could not connect to, before anything is opened. */
export function checkPublic({ host, publicUrl }: { readonly host?: string; readonly publicUrl?: string }): void {
  if (publicUrl !== undefined) lineAddress(publicUrl);
  else if (host !== undefined && WILDCARDS.includes(host)) throw new PublicAddressError(host);
}

/** Where others connect to a server that listens at `url`: a ws:// address without a port has the server's. */
export function publicAddress(url: string, publicUrl: string | undefined): string {
  if (publicUrl === undefined) return url;
  const address = lineAddress(publicUrl);
  // A URL keeps no port that is usual: only the text tells whether there was one.
  const saysPort = /^wss?:\/\/[^/?]*:\d+(?:[/?]|$)/i.test(publicUrl);
  if (address.protocol === "ws:" && !saysPort) address.port = new URL(url).port;
  return address.href;
}
