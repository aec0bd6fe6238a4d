/** The contacts of an owner, in the home: wherever the chips are, and whichever process works with them. */

import { Contacts } from "../wallet/contacts.js";
import type { Home } from "./home.js";

export function contactsIn(home: Home, owner: string): Contacts {
  const file = `contacts-${owner}.json`;
  return new Contacts({ read: () => home.read(file), write: (text) => home.write(file, text) });
}
