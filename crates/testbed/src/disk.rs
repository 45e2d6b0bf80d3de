//! A disk whose power is cut: what was written and not synced is lost.
//!
//! It is a file system in this process (FUSE), for files in one folder. Linux alone has it, and only root may
//! mount it here.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::panic;
use std::path::Path;
use std::process::{self, Command};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, OpenFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyEmpty,
    ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use tempfile::TempDir;

/// Set in the process that runs a test.
const INSIDE: &str = "HALLPASS_TEST_DISK";
/// The kernel asks again each time.
const TTL: Duration = Duration::ZERO;

/// An empty disk at first.
#[derive(Debug)]
pub struct Disk {
    files: Files,
    // Unmounted before its folder is deleted.
    _mounted: BackgroundSession,
    folder: TempDir,
}

/// All files that there ever were; the number of one is its place.
#[derive(Clone, Debug, Default)]
struct Files(Arc<Mutex<Vec<File>>>);

#[derive(Debug)]
struct File {
    /// `None` once it is deleted.
    name: Option<OsString>,
    mode: u32,
    content: Vec<u8>,
    /// What outlives a cut.
    synced: Option<Vec<u8>>,
}

impl Disk {
    /// Runs an ignored test of this program in a process with mounts of its own: `None` once it has passed, or
    /// the disk if this is that process. Nothing stays mounted when the process ends.
    pub fn enter(test: &str) -> Option<Self> {
        if env::var_os(INSIDE).is_some() {
            let disk = Self::mount();
            let (tell, folder) = (panic::take_hook(), disk.folder().to_owned());
            panic::set_hook(Box::new(move |fault| {
                tell(fault);
                pull(&folder);
                process::abort();
            }));
            return Some(disk);
        }
        let user = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!(user, 0, "only root may mount: run this test as root");
        let passed = Command::new("unshare")
            .arg("--mount")
            .arg(env::current_exe().unwrap())
            .args([test, "--exact", "--ignored", "--nocapture"])
            .env(INSIDE, "1")
            .status();
        assert!(passed.expect("unshare").success(), "{test} failed");
        None
    }

    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let files = Files::default();
        let mounted = fuser::spawn_mount(files.clone(), folder.path(), &Config::default());
        Self {
            files,
            _mounted: mounted.unwrap(),
            folder,
        }
    }

    /// The folder that it is mounted at.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a cut at this moment would leave, as files on another disk. This one goes on.
    pub fn after_a_cut(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in &*self.files.lock() {
            if let (Some(name), Some(synced)) = (&file.name, &file.synced) {
                fs::write(folder.path().join(name), synced).unwrap();
            }
        }
        folder
    }
}

/// Lets every call to the disk fail from now on. A store has threads that may be in one, and this process, which
/// serves the calls, could not end before they do.
fn pull(folder: &Path) {
    let pulled = Command::new("umount")
        .args(["-f", "-l"])
        .arg(folder)
        .status();
    pulled.expect("umount");
}

impl Drop for Disk {
    fn drop(&mut self) {
        pull(self.folder());
    }
}

impl Files {
    fn lock(&self) -> MutexGuard<'_, Vec<File>> {
        self.0.lock().unwrap()
    }

    /// The one of this name that is not deleted.
    fn find(&self, name: &OsStr) -> Option<INodeNo> {
        let files = self.lock();
        let place = files
            .iter()
            .position(|file| file.name.as_deref() == Some(name))?;
        Some(number(place))
    }

    fn attributes(&self, file: INodeNo) -> FileAttr {
        let (kind, mode, size) = if file == INodeNo::ROOT {
            (FileType::Directory, 0o755, 0)
        } else {
            let files = self.lock();
            let file = &files[place(file)];
            (FileType::RegularFile, file.mode, file.content.len())
        };
        let size = u64::try_from(size).unwrap();
        FileAttr {
            ino: file,
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm: u16::try_from(mode & 0o777).unwrap(),
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }
}

/// The first number is that of the folder.
fn number(place: usize) -> INodeNo {
    INodeNo(u64::try_from(place).unwrap() + 2)
}

fn place(number: INodeNo) -> usize {
    usize::try_from(number.0 - 2).unwrap()
}

impl Filesystem for Files {
    fn lookup(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEntry) {
        match self.find(name) {
            Some(file) => reply.entry(&TTL, &self.attributes(file), Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _: &Request, file: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&TTL, &self.attributes(file));
    }

    fn setattr(
        &self,
        _: &Request,
        file: INodeNo,
        mode: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if file != INodeNo::ROOT {
            let mut files = self.lock();
            let file = &mut files[place(file)];
            file.mode = mode.unwrap_or(file.mode);
            if let Some(size) = size {
                file.content.resize(usize::try_from(size).unwrap(), 0);
            }
        }
        reply.attr(&TTL, &self.attributes(file));
    }

    fn create(
        &self,
        _: &Request,
        _: INodeNo,
        name: &OsStr,
        mode: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let mut files = self.lock();
        let file = number(files.len());
        files.push(File {
            name: Some(name.to_owned()),
            mode,
            content: Vec::new(),
            synced: None,
        });
        drop(files);
        let (attributes, flags) = (self.attributes(file), FopenFlags::FOPEN_KEEP_CACHE);
        reply.created(&TTL, &attributes, Generation(0), FileHandle(0), flags);
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE);
    }

    fn read(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let files = self.lock();
        let content = &files[place(file)].content;
        let from = usize::try_from(offset).unwrap().min(content.len());
        let to = (from + usize::try_from(size).unwrap()).min(content.len());
        reply.data(&content[from..to]);
    }

    fn write(
        &self,
        _: &Request,
        file: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let mut files = self.lock();
        let content = &mut files[place(file)].content;
        let from = usize::try_from(offset).unwrap();
        let to = from + data.len();
        content.resize(content.len().max(to), 0);
        content[from..to].copy_from_slice(data);
        reply.written(u32::try_from(data.len()).unwrap());
    }

    fn fsync(&self, _: &Request, file: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let mut files = self.lock();
        let file = &mut files[place(file)];
        file.synced = Some(file.content.clone());
        reply.ok();
    }

    /// A file that was synced is there with its name, as on the usual file systems.
    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn unlink(&self, _: &Request, _: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let Some(file) = self.find(name) else {
            return reply.error(Errno::ENOENT);
        };
        self.lock()[place(file)].name = None;
        reply.ok();
    }
}
