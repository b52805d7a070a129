//! Whether a port is free, and if not, who has it.

use std::{
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
};

/// Who holds a port, as far as this process may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.name)
    }
}

/// Binds for a moment and lets go. libp2p shares ports (`SO_REUSEPORT`), so that two nodes on one port would both
/// start and each get half of the connections.
pub(crate) fn check_free(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    TcpListener::bind(address).map(drop)
}

/// Finds a process that listens on the port. Other users' processes are seen by root only.
pub(crate) fn holder(address: SocketAddr) -> Option<Holder> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| table.lines().filter_map(|line| listener_inode(line, address)).collect::<Vec<_>>())
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    if inodes.is_empty() {
        return None;
    }
    let processes = fs::read_dir("/proc").ok()?;
    processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok()).find_map(|pid| {
        let mut files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
        let holds = files.any(|file| {
            let target = file.ok().and_then(|file| fs::read_link(file.path()).ok());
            target.is_some_and(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
        });
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        holds.then(|| Holder { pid, name: name.trim().to_owned() })
    })
}

/// The inode of a listening socket that is in the way of `wanted`, from a line of `/proc/net/tcp`.
fn listener_inode(line: &str, wanted: SocketAddr) -> Option<String> {
    let fields: Vec<_> = line.split_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let (ip, port) = local.split_once(':')?;
    let is_listening = *state == "0A";
    if !is_listening || u16::from_str_radix(port, 16).ok()? != wanted.port() {
        return None;
    }
    let ip = kernel_ip(ip)?;
    let is_in_the_way = ip.is_unspecified() || wanted.ip().is_unspecified() || ip == wanted.ip();
    is_in_the_way.then(|| (*inode).to_owned())
}

/// The kernel writes addresses as 32-bit words in the machine's byte order.
fn kernel_ip(hex: &str) -> Option<IpAddr> {
    let words = (0..hex.len() / 8).map(|word| u32::from_str_radix(hex.get(word * 8..word * 8 + 8)?, 16).ok());
    let bytes: Vec<u8> = words.collect::<Option<Vec<_>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    match bytes.len() {
        4 => Some(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?))),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_port_is_named() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        assert_eq!(check_free(address).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(holder(address).unwrap().pid, std::process::id());
        drop(socket);
        check_free(address).unwrap();
        assert_eq!(holder(address), None);
    }
}
