/* Plots as SVG, by gnuplot.
 *
 * Scripts hold numbers only: names and labels from files are set beside the plot in HTML,
 * never handed to a program with a language of its own. */
#ifndef LAMARCK_EXPERIMENTS_VIEWS_PLOT_H
#define LAMARCK_EXPERIMENTS_VIEWS_PLOT_H

#include "../../model/base.h"

/* One drawing: gnuplot commands that plot from the file "data", and that file's lines. */
typedef struct plot {
    const char *name;   /* letters and digits: prefix of the drawing's ids */
    const char *script; /* what comes after the terminal is set */
    const char *data;
    size_t width, height; /* pixels */
} plot;

/* Colours a script uses; a page's style sheet gives each its look in light and dark, see
 * plot_style. */
#define PLOT_AXIS  "#010101"
#define PLOT_GRID  "#020202"
#define PLOT_COLOR "#0a%02x01" /* series 1, 2, 3… */
enum { PLOT_SERIES = 8 };

/* Draw: *svg receives one <svg> element. E_UNSUPPORTED when gnuplot is not installed,
 * E_EXTERNAL when it fails (with its own words). */
int plot_svg(const plot *p, text *svg, error *err);

/* The style sheet that turns the script's colours into the custom properties --axis,
 * --grid, --series1… of the page. Appended to *out. */
int plot_style(text *out, error *err);

#endif
