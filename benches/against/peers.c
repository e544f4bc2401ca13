/* RSA by GnuTLS (what OpenDHT uses) and by OpenSSL, to be timed beside ours.
 *
 * Called with PEM files of private keys. Each line of input is "library operation index bits rounds"; each answer is the nanoseconds
 * that one operation took on average. */
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define KEYS 4

static unsigned char message[1000], secret[32], out[1024];

struct gnutls_key {
    gnutls_x509_privkey_t x509;
    gnutls_privkey_t private;
    gnutls_pubkey_t public;
    gnutls_datum_t signature, block;
};

struct openssl_key {
    EVP_PKEY *key;
    EVP_PKEY_CTX *encrypt, *decrypt;
    size_t signature_length, block_length;
    unsigned char signature[1024], block[1024];
};

static struct gnutls_key gnutls_keys[KEYS];
static struct openssl_key openssl_keys[KEYS];

static void must(int works, const char *what) {
    if (!works) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

static void gnutls_run(struct gnutls_key *key, const char *operation, int bits) {
    gnutls_datum_t data = {message, sizeof message}, short_data = {secret, sizeof secret}, result = {0};
    if (!strcmp(operation, "sign")) {
        must(gnutls_privkey_sign_data(key->private, GNUTLS_DIG_SHA512, 0, &data, &result) == 0, "sign");
    } else if (!strcmp(operation, "verify")) {
        must(gnutls_pubkey_verify_data2(key->public, GNUTLS_SIGN_RSA_SHA512, 0, &data, &key->signature) >= 0, "verify");
    } else if (!strcmp(operation, "encrypt")) {
        must(gnutls_pubkey_encrypt_data(key->public, 0, &short_data, &result) == 0, "encrypt");
    } else if (!strcmp(operation, "decrypt")) {
        must(gnutls_privkey_decrypt_data(key->private, 0, &key->block, &result) == 0, "decrypt");
    } else {
        gnutls_x509_privkey_t fresh;
        gnutls_x509_privkey_init(&fresh);
        must(gnutls_x509_privkey_generate(fresh, GNUTLS_PK_RSA, bits, 0) == 0, "generate");
        gnutls_x509_privkey_deinit(fresh);
    }
    gnutls_free(result.data);
}

static void openssl_run(struct openssl_key *key, const char *operation, int bits) {
    size_t length = sizeof out;
    if (!strcmp(operation, "sign")) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        must(EVP_DigestSignInit(context, NULL, EVP_sha512(), NULL, key->key) == 1 &&
                 EVP_DigestSign(context, out, &length, message, sizeof message) == 1,
             "sign");
        EVP_MD_CTX_free(context);
    } else if (!strcmp(operation, "verify")) {
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        must(EVP_DigestVerifyInit(context, NULL, EVP_sha512(), NULL, key->key) == 1 &&
                 EVP_DigestVerify(context, key->signature, key->signature_length, message, sizeof message) == 1,
             "verify");
        EVP_MD_CTX_free(context);
    } else if (!strcmp(operation, "encrypt")) {
        must(EVP_PKEY_encrypt(key->encrypt, out, &length, secret, sizeof secret) == 1, "encrypt");
    } else if (!strcmp(operation, "decrypt")) {
        must(EVP_PKEY_decrypt(key->decrypt, out, &length, key->block, key->block_length) == 1, "decrypt");
    } else {
        EVP_PKEY *fresh = EVP_RSA_gen(bits);
        must(fresh != NULL, "generate");
        EVP_PKEY_free(fresh);
    }
}

static void load(int index, const char *path) {
    static unsigned char pem[16384];
    FILE *file = fopen(path, "r");
    must(file != NULL, path);
    gnutls_datum_t text = {pem, fread(pem, 1, sizeof pem, file)};

    struct gnutls_key *theirs = &gnutls_keys[index];
    gnutls_datum_t data = {message, sizeof message}, short_data = {secret, sizeof secret};
    gnutls_x509_privkey_init(&theirs->x509);
    gnutls_privkey_init(&theirs->private);
    gnutls_pubkey_init(&theirs->public);
    must(gnutls_x509_privkey_import(theirs->x509, &text, GNUTLS_X509_FMT_PEM) == 0, "import");
    must(gnutls_privkey_import_x509(theirs->private, theirs->x509, 0) == 0, "import");
    must(gnutls_pubkey_import_privkey(theirs->public, theirs->private, 0, 0) == 0, "import");
    must(gnutls_privkey_sign_data(theirs->private, GNUTLS_DIG_SHA512, 0, &data, &theirs->signature) == 0, "sign");
    must(gnutls_pubkey_encrypt_data(theirs->public, 0, &short_data, &theirs->block) == 0, "encrypt");

    struct openssl_key *others = &openssl_keys[index];
    rewind(file);
    others->key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    others->encrypt = EVP_PKEY_CTX_new(others->key, NULL);
    others->decrypt = EVP_PKEY_CTX_new(others->key, NULL);
    EVP_PKEY_encrypt_init(others->encrypt);
    EVP_PKEY_CTX_set_rsa_padding(others->encrypt, RSA_PKCS1_PADDING);
    EVP_PKEY_decrypt_init(others->decrypt);
    EVP_PKEY_CTX_set_rsa_padding(others->decrypt, RSA_PKCS1_PADDING);
    others->signature_length = sizeof others->signature;
    others->block_length = sizeof others->block;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(EVP_DigestSignInit(context, NULL, EVP_sha512(), NULL, others->key) == 1 &&
             EVP_DigestSign(context, others->signature, &others->signature_length, message, sizeof message) == 1,
         "sign");
    EVP_MD_CTX_free(context);
    must(EVP_PKEY_encrypt(others->encrypt, others->block, &others->block_length, secret, sizeof secret) == 1, "encrypt");
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1e9 + time.tv_nsec;
}

int main(int argc, char **argv) {
    char library[16], operation[16];
    int index, bits, rounds;
    memset(message, 7, sizeof message);
    memset(secret, 7, sizeof secret);
    for (index = 0; index + 1 < argc && index < KEYS; index++)
        load(index, argv[index + 1]);
    while (scanf("%15s %15s %d %d %d", library, operation, &index, &bits, &rounds) == 5) {
        must(index >= 0 && index < KEYS, "index");
        double start = now();
        for (int round = 0; round < rounds; round++) {
            if (!strcmp(library, "gnutls"))
                gnutls_run(&gnutls_keys[index], operation, bits);
            else
                openssl_run(&openssl_keys[index], operation, bits);
        }
        printf("%.0f\n", (now() - start) / rounds);
        fflush(stdout);
    }
    return 0;
}
