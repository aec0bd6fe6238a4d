/** AssemblyScript's integer types, as TypeScript sees them in the files that both languages share. */
type u8 = number;
type u16 = number;
type u32 = number;
type i32 = number;
