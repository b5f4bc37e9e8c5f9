/* The same work done by libxml2, streaming, for comparison: schema read once, no tree.
 * Usage: libxml2 SCHEMA FILE... ; every line on standard input is one round over all files, which
 * are read before the clock starts (one file alone: from the disk, streaming). Answers with the seconds. */
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void quiet(void *context, const char *message, ...) { (void)context, (void)message; }
static void quieter(void *context, const xmlError *error) { (void)context, (void)error; }

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time); /* worked, not waited */
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **names) {
    if (count < 3) return 2;
    xmlSetGenericErrorFunc(NULL, quiet);
    xmlSetStructuredErrorFunc(NULL, (xmlStructuredErrorFunc)quieter);
    xmlSchemaPtr schema = xmlSchemaParse(xmlSchemaNewParserCtxt(names[1]));
    if (!schema) return 3;
    int files = count - 2, alone = files == 1 && getenv("FROM_DISK");
    char **texts = calloc(files, sizeof *texts);
    long *sizes = calloc(files, sizeof *sizes);
    for (int n = 0; n < files && !alone; n++) {
        FILE *file = fopen(names[n + 2], "rb");
        if (!file) return 4;
        fseek(file, 0, SEEK_END);
        sizes[n] = ftell(file);
        rewind(file);
        texts[n] = malloc(sizes[n] + 1);
        if (fread(texts[n], 1, sizes[n], file) != (size_t)sizes[n]) return 4;
        fclose(file);
    }
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        int times = atoi(line), invalid = 0;
        double begun = now();
        for (int time = 0; time < times; time++) {
            for (int n = 0; n < files; n++) {
                xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);
                xmlParserInputBufferPtr input = alone
                    ? xmlParserInputBufferCreateFilename(names[2], XML_CHAR_ENCODING_NONE)
                    : xmlParserInputBufferCreateMem(texts[n], sizes[n], XML_CHAR_ENCODING_NONE);
                invalid += xmlSchemaValidateStream(context, input, XML_CHAR_ENCODING_NONE, NULL, NULL) != 0;
                xmlSchemaFreeValidCtxt(context);
            }
        }
        printf("%.9f %d\n", now() - begun, invalid);
        fflush(stdout);
    }
    return 0;
}
