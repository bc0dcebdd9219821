#include "storage/sha256.hpp"

#include <openssl/evp.h>

#include <memory>
#include <vector>

#include "core/error.hpp"
#include "storage/files.hpp"

namespace ganymede::storage {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
      throw Error(Fault::bug, "OpenSSL refuses to start a SHA-256");
  }
  void add(const void* bytes, size_t count) {
    if (EVP_DigestUpdate(context_.get(), bytes, count) != 1) throw Error(Fault::bug, "OpenSSL refuses to continue a SHA-256");
  }
  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    if (EVP_DigestFinal_ex(context_.get(), digest, &length) != 1) throw Error(Fault::bug, "OpenSSL refuses to finish a SHA-256");
    std::string text;
    for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
    return text;
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_file(const std::filesystem::path& path) {
  InputFile file(path);
  std::vector<char> piece(int64_t{1} << 20);
  Sha256 hash;
  while (const size_t count = file.read(piece.data(), piece.size())) hash.add(piece.data(), count);
  return hash.hex();
}

std::string sha256_text(std::string_view text) {
  Sha256 hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

const std::string& sha256_of_program() {
  static const std::string hash = sha256_file("/proc/self/exe");
  return hash;
}

}  // namespace ganymede::storage
