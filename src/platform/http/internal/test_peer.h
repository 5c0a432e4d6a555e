#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

/// For this folder's tests only: servers that do exactly what a script says, and certificates made on the spot.
namespace atrium::http::testing {

/// Accepts connections one after the other and runs a script on each, on a thread of its own.
class ScriptedServer {
public:
    using Script = std::function<void(int fd, int number)>;
    explicit ScriptedServer(Script script) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
        ::listen(listener_, 16);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        thread_ = std::thread([this, script = std::move(script)] {
            for (int number = 0;; ++number) {
                const int fd = ::accept(listener_, nullptr, nullptr);
                if (fd < 0 || stopping_) {
                    if (fd >= 0) ::close(fd);
                    return;
                }
                timeval patience{5, 0};
                ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
                ++accepted;
                script(fd, number);
                ::close(fd);
            }
        });
    }
    ~ScriptedServer() {
        stopping_ = true;
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

    static std::string read_head(int fd) {
        std::string head;
        char byte;
        while (head.find("\r\n\r\n") == std::string::npos && ::recv(fd, &byte, 1, 0) == 1) head.push_back(byte);
        return head;
    }
    static void send(int fd, std::string_view bytes) {
        while (!bytes.empty()) {
            const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n <= 0) return;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
    }
    /// Waits until the client closes; false after five seconds.
    static bool wait_closed(int fd) {
        char bytes[4096];
        ssize_t n;
        while ((n = ::recv(fd, bytes, sizeof bytes, 0)) > 0) {
        }
        return n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
    }

    std::uint16_t port = 0;
    std::atomic<int> accepted{0};

private:
    int listener_ = -1;
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

/// A certificate with its key; authority when `issuer` is null.
struct Certificate {
    EVP_PKEY* key = nullptr;
    X509* cert = nullptr;

    Certificate(const std::string& name, const Certificate* issuer, const std::string& alternative = "") {
        key = ::EVP_EC_gen("P-256");
        cert = ::X509_new();
        ::X509_set_version(cert, 2);
        static std::atomic<long> serial{1};
        ::ASN1_INTEGER_set(::X509_get_serialNumber(cert), serial++);
        ::X509_gmtime_adj(::X509_getm_notBefore(cert), -3600);
        ::X509_gmtime_adj(::X509_getm_notAfter(cert), 3600);
        ::X509_set_pubkey(cert, key);
        X509_NAME* subject = ::X509_get_subject_name(cert);
        ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()),
                                     -1, -1, 0);
        ::X509_set_issuer_name(cert, issuer ? ::X509_get_subject_name(issuer->cert) : subject);
        extend(issuer, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
        if (!alternative.empty()) extend(issuer, NID_subject_alt_name, alternative);
        ::X509_sign(cert, issuer ? issuer->key : key, ::EVP_sha256());
    }
    ~Certificate() {
        ::X509_free(cert);
        ::EVP_PKEY_free(key);
    }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;

    void write_pem(const std::string& path) const {
        std::FILE* file = std::fopen(path.c_str(), "w");
        ::PEM_write_X509(file, cert);
        std::fclose(file);
    }

private:
    void extend(const Certificate* issuer, int nid, const std::string& value) {
        X509V3_CTX context;
        X509V3_set_ctx_nodb(&context);
        ::X509V3_set_ctx(&context, issuer ? issuer->cert : cert, cert, nullptr, nullptr, 0);
        X509_EXTENSION* extension = ::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
        ::X509_add_ext(cert, extension, -1);
        ::X509_EXTENSION_free(extension);
    }
};

/// The server's side of TLS over a blocking socket.
class TlsPeer {
public:
    TlsPeer(int fd, const Certificate& certificate) {
        context_ = ::SSL_CTX_new(::TLS_server_method());
        ::SSL_CTX_use_certificate(context_, certificate.cert);
        ::SSL_CTX_use_PrivateKey(context_, certificate.key);
        ssl_ = ::SSL_new(context_);
        ::SSL_set_fd(ssl_, fd);
        accepted = ::SSL_accept(ssl_) == 1;
        if (const char* name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name)) server_name = name;
    }
    ~TlsPeer() {
        ::SSL_free(ssl_);
        ::SSL_CTX_free(context_);
        ::ERR_clear_error();
    }
    TlsPeer(const TlsPeer&) = delete;
    TlsPeer& operator=(const TlsPeer&) = delete;

    std::string read_head() {
        std::string head;
        char byte;
        while (head.find("\r\n\r\n") == std::string::npos && ::SSL_read(ssl_, &byte, 1) == 1) head.push_back(byte);
        return head;
    }
    std::size_t read(std::size_t size) {
        std::string bytes(size, '\0');
        std::size_t got = 0;
        while (got < size) {
            const int n = ::SSL_read(ssl_, bytes.data() + got, static_cast<int>(size - got));
            if (n <= 0) break;
            got += static_cast<std::size_t>(n);
        }
        return got;
    }
    void write(std::string_view bytes) { ::SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())); }
    void close_notify() { ::SSL_shutdown(ssl_); }

    bool accepted = false;
    std::string server_name;

private:
    SSL_CTX* context_;
    SSL* ssl_;
};

}  // namespace atrium::http::testing
