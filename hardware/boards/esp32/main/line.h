/* What the card is on: serial.c or usb.c, as the configuration says. */
#ifndef TALLYSTICK_LINE_H
#define TALLYSTICK_LINE_H

/* Serves the card; comes back only when something could not be started. */
void line_serve(void);

#endif
